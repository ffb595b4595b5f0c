"""The main job on a laptop (`make demo`): default hyperparameters, a sweep, and how they compare.

    python -m benchmarks.reproduce.demo [short=true] [out=DIR] [results=DIR]

Runs `python -m mlpf.train` twice and prints each command before it: one training with the default
hyperparameters, then an asynchronous, pruned sweep of trainings that are as long. The events are
generated on the first call. Called again, it goes on where it was. The figures are left in
`comparison.json`, and in `demo.json` in the folder `results` if one is given.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from benchmarks.reproduce.depends import EVENTS, HALVING, PROPOSALS, TRAINING
from commons.cli import Failure, run_command
from commons.files import write_json
from mlpf.training.callbacks import read_history

_DEPENDS = (
    "conf/experiment/demo.yaml",
    "conf/hpo/asha_bo.yaml",
    "conf/hpo/pruner/asha.yaml",
    "conf/model/gnn_lsh_small.yaml",
    "conf/search_space/stage1.yaml",
    *EVENTS,
    *HALVING,
    *PROPOSALS,
    *TRAINING,
)


@dataclass
class Settings:
    """What the command line may set."""

    short: bool = False  # fewer events, epochs and trials: a check that everything runs
    out: Path = Path("outputs/demo")
    results: Path | None = None


def main(arguments: list[str]) -> int:
    """Run the demo; see the module's text."""
    return run_command(_demo, Settings, arguments, __doc__)


def _demo(settings: Settings) -> int:
    experiment = "demo_short" if settings.short else "demo"
    default, sweep = settings.out / experiment / "default", settings.out / experiment / "sweep"
    base = f"experiment={experiment}"
    try:
        _run(base, f"hydra.run.dir={default}")
        _run(
            *("-m", base, "hpo=asha_bo", "launcher=local", f"hpo.study_name={experiment}"),
            *(f"hpo.n_trials={12 if settings.short else 24}", f"hydra.sweep.dir={sweep}"),
        )
    except subprocess.CalledProcessError as error:
        raise Failure(f"this step failed: {shlex.join(error.cmd)}") from error
    comparison = settings.out / experiment / "comparison.json"
    figures = compare(default, sweep)
    write_json(comparison, figures)
    if settings.results is not None:
        write_result(
            settings.results / "demo.json",
            figures,
            command="python -m benchmarks.reproduce.demo results=benchmarks/results",
            depends=_DEPENDS,
            seeds=[1],
        )
    return 0


def compare(default: Path, sweep: Path) -> dict[str, Any]:
    """Print, and return, the best validation loss of the default training and of the sweep."""
    before = min(row["val_loss"] for row in read_history(default / "metrics.csv"))
    summary: dict[str, Any] = json.loads((sweep / "summary.json").read_text())
    after, trials, epochs = summary["best"]["value"], summary["n_trials"], summary["epochs"]
    print(f"\ndefault hyperparameters   val_loss {before:.4f}")
    print(f"best of {trials['total']} trials         val_loss {after:.4f}", end="")
    print(f"   ({100 * (1 - after / before):.0f} % lower, trained as long)")
    print(
        f"trials pruned before their last epoch: {trials['pruned']} of {trials['total']}", end=""
    )
    print(f"; epochs run {epochs['run']}, saved {epochs['saved']}")
    for name, value in summary["best"]["params"].items():
        print(f"  {name}: {value}")
    print(f"pictures: {sweep}/*.png and {default}/loss_curves.png")
    best = f"--config-dir={sweep} --config-name=best"
    print(f"train the best configuration again: python -m mlpf.train {best}")
    return {"default_val_loss": before, "relative_decrease": 1 - after / before, "sweep": summary}


def _run(*arguments: str) -> None:
    print(f"\n$ python -m mlpf.train {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "mlpf.train", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
