"""Any program: here a damped pendulum whose swing should die out fast, integrated in plain Python.

python app.py                 one run with the values of app.yaml
python app.py -m              a search over them
"""

import json
import math
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import hpo


def energy_after(second: int, damping: float, stiffness: float) -> float:
    """Return the mean energy in this second of an oscillation that starts with energy 1."""
    rate = damping / 2 if damping < 2 * math.sqrt(stiffness) else stiffness / damping
    return math.exp(-2 * rate * second) + 0.001 * damping**2


@hydra.main(config_path=".", config_name="app", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Return the energy that is left at the end."""
    checkpoint = Path(HydraConfig.get().runtime.output_dir, "state.json")
    state = {"second": 0, "energy": 1.0}
    if checkpoint.exists():  # this trial was interrupted or paused
        state = json.loads(checkpoint.read_text())
    for second in range(state["second"] + 1, cfg.seconds + 1):
        energy = energy_after(second, cfg.damping, cfg.stiffness)
        state = {"second": second, "energy": energy}
        checkpoint.write_text(json.dumps(state))
        hpo.report_value(energy, step=second)
    return float(state["energy"])


if __name__ == "__main__":
    main()
