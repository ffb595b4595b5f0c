"""Default hyperparameters against those a sweep finds, several seeds each (`make repro-hpo`).

    python -m benchmarks.reproduce.hpo scale=tiny [seeds=3] [out=DIR]

1. trains the default hyperparameters with every seed,
2. runs (or resumes) a sweep with the same network, events and epochs,
3. trains the best configuration of the sweep with the same seeds,
4. writes `repro_hpo_<scale>.json` and `.png`: mean +- standard deviation of the best validation
   loss of each training, and the relative decrease. The published decrease is 44 % (MLPF at full
   size on a supercomputer, arXiv:2203.01112 and the slides of its authors).

The seed of the sweep is 1; the seeds compared are 101, 102, ..., none of which the sweep saw.
The same command resumes an interrupted one.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commons.cli import Failure, UsageError, choose, run_command
from commons.files import write_json
from mlpf.training.callbacks import read_history

PUBLISHED_DECREASE = 0.44
FIRST_SEED = 101
SCALES: dict[str, list[str]] = {
    "tiny": ["experiment=demo"],
    "small": ["experiment=small"],
    "full": ["experiment=full"],
}
SWEEPS: dict[str, list[str]] = {
    "tiny": ["hpo=asha_bo", "launcher=local", "hpo.n_trials=24"],
    "small": ["hpo=asha_bo", "launcher=local", "hpo.n_trials=60"],
    "full": ["hpo=asha_bo", "launcher=local", "hpo.n_trials=400"],
}


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "tiny"
    seeds: int = 3
    out: Path = Path("outputs/repro_hpo")
    results: Path = Path("benchmarks/results")
    sweep: list[str] = field(default_factory=list)  # further overrides, e.g. [launcher=jureca]


def main(arguments: list[str]) -> int:
    """Run the comparison; see the module's text."""
    return run_command(_compare, Settings, arguments, __doc__)


def _compare(settings: Settings) -> int:
    choose("scale", settings.scale, SCALES)
    if settings.seeds < 2:
        raise UsageError(f"seeds={settings.seeds}: must be at least 2")
    try:
        result = compare(settings)
    except subprocess.CalledProcessError as error:
        step = shlex.join(error.cmd)
        raise Failure(f"this step failed, the same command resumes it: {step}") from error
    stem = settings.results / f"repro_hpo_{settings.scale}"
    write_json(stem.with_suffix(".json"), result)
    _plot(result, stem.with_suffix(".png"))
    _print(result, stem)
    return 0


def compare(settings: Settings) -> dict[str, Any]:
    """Train, sweep, train again; return the figures that go into the JSON file."""
    folder = (settings.out / settings.scale).resolve()
    seeds = [FIRST_SEED + i for i in range(settings.seeds)]
    base, sweep_folder = SCALES[settings.scale], folder / "sweep"
    multirun = f"seed={','.join(map(str, seeds))}"
    _train("-m", *base, multirun, f"hydra.sweep.dir={folder / 'default'}")
    study = f"hpo.study_name=repro_hpo_{settings.scale}"
    overrides = [*SWEEPS[settings.scale], *settings.sweep]
    _train("-m", *base, *overrides, study, "seed=1", f"hydra.sweep.dir={sweep_folder}")
    best = [f"--config-dir={sweep_folder}", "--config-name=best"]
    _train(*best, "-m", multirun, f"hydra.sweep.dir={folder / 'best'}")
    default_runs = _validation_losses(folder / "default", len(seeds))
    best_runs = _validation_losses(folder / "best", len(seeds))
    summary = json.loads((sweep_folder / "summary.json").read_text())
    return {
        "scale": settings.scale,
        "overrides": base + overrides,
        "seeds": seeds,
        "default": _statistics(default_runs),
        "best": {**_statistics(best_runs), "params": summary["best"]["params"]},
        "relative_decrease": 1 - _minima(best_runs).mean() / _minima(default_runs).mean(),
        "published_relative_decrease": PUBLISHED_DECREASE,
        "sweep": summary,
        "val_loss": {"default": default_runs, "best": best_runs},
    }


def _train(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "mlpf.train", *arguments], check=True)


def _validation_losses(folder: Path, n_runs: int) -> list[list[float]]:
    files = [folder / str(i) / "metrics.csv" for i in range(n_runs)]
    return [[row["val_loss"] for row in read_history(file)] for file in files]


def _minima(runs: list[list[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([min(run) for run in runs])


def _statistics(runs: list[list[float]]) -> dict[str, Any]:
    minima = _minima(runs)
    return {
        "val_loss_of_each_seed": minima.tolist(),
        "mean": float(minima.mean()),
        "std": float(minima.std(ddof=1)),
    }


def _print(result: dict[str, Any], stem: Path) -> None:
    for name in ("default", "best"):
        row = result[name]
        print(f"{name:8s} val_loss {row['mean']:.4f} +- {row['std']:.4f}  seeds {result['seeds']}")
    decrease = 100 * result["relative_decrease"]
    print(f"relative decrease {decrease:.1f} %  (published, at full size: 44 %)")
    print(f"best hyperparameters {result['best']['params']}")
    print(f"figures {stem}.json, picture {stem}.png")


def _plot(result: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, color in (("default", "tab:gray"), ("best", "tab:red")):
        runs = np.array(result["val_loss"][name])
        epochs, mean, std = np.arange(1, runs.shape[1] + 1), runs.mean(0), runs.std(0, ddof=1)
        axes.plot(epochs, mean, color=color, label=f"{name} hyperparameters")
        axes.fill_between(epochs, mean - std, mean + std, color=color, alpha=0.25)
    axes.set(xlabel="epoch", ylabel="validation loss", yscale="log")
    axes.set_title(f"{result['scale']}: {-100 * result['relative_decrease']:.0f} % loss")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
