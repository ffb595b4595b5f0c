"""An application that fails, exits, diverges or takes its time as its configuration says."""

import json
import math
import os
import sys
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd

import hpo
from commons.files import replacing
from hpo import signals

# The variables that tell a process its place in a job.
PLACE = ("SLURM", "CUDA", "RANK", "WORLD", "LOCAL", "GROUP", "MASTER")


def train(cfg):
    folder = Path(HydraConfig.get().runtime.output_dir)
    trial = hpo.current_trial()
    (folder / "directories").write_text(f"{get_original_cwd()} {Path.cwd()}")
    (folder / "threads").write_text(os.environ.get("OMP_NUM_THREADS", ""))
    number, rank = trial.number if trial else -1, os.environ.get("RANK", "")
    seen = {k: v for k, v in os.environ.items() if k.startswith(PLACE)}
    (folder / f"environment{rank}").write_text(json.dumps(seen))
    checkpoint, log = folder / f"last{rank}", folder / f"epochs{rank}"
    alone = folder / "last"  # of one process, which the ranks of a grown trial begin from
    begin = next((file for file in (checkpoint, alone) if file.exists()), None)
    first = int(begin.read_text()) if begin else 0
    if number in cfg.raises:
        raise RuntimeError("no luck")
    if number in cfg.exits:
        sys.exit(3)
    for epoch in range(first, cfg.epochs):
        time.sleep(cfg.epoch_s)
        with signals.shield(), replacing(checkpoint) as partial:  # both files or none
            partial.write_text(str(epoch + 1))
            with log.open("a") as stream:
                stream.write(f"{epoch}\n")
        hpo.report_value(
            math.nan if number in cfg.diverges else cfg.x**2 + 1 / (epoch + 1), epoch + 1
        )
    value = cfg.x**2 + 1 / cfg.epochs
    if cfg.returns_two:
        return [value, -cfg.x]
    return None if cfg.returns_nothing else value


@hydra.main(config_path=str(Path(__file__).parent), config_name="toy", version_base="1.3")
def main(cfg):
    return train(cfg)


if __name__ == "__main__":
    main()
