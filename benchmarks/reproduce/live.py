"""Live sweeps of several searches with the same epochs, over seeds (`make repro-live`).

    python -m benchmarks.reproduce.live [searches=[best,asha_bo,bohb,qsvr]] [seeds=[1,2,3]]
                                        [n_trials=30] [epochs=12] [experiment=demo_short] [out=DIR]
                                        [results=DIR]

Runs `python -m mlpf.train -m hpo=SEARCH` on events that it generates on the first call, with one
worker, so that a sweep can be repeated. The first search has `n_trials`; each other one has as
many epochs as the first one took with the same seed, and as many trials as it wants. Prints best
loss, epochs and time, and leaves them in `live.json` in the folder `results`
(benchmarks/results). A call that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from benchmarks.reproduce.depends import EVENTS, HALVING, PAUSES, PROPOSALS, TRAINING
from commons.cli import Failure, UsageError, run_command

_DEPENDS = (
    "conf/experiment/demo_short.yaml",
    "conf/hpo/asha_bo.yaml",
    "conf/hpo/best.yaml",
    "conf/hpo/bohb.yaml",
    "conf/hpo/pruner",
    "conf/hpo/qsvr.yaml",
    "conf/model/gnn_lsh_small.yaml",
    "conf/search_space/stage1.yaml",
    "qsvr.forecasting",
    "qsvr.pruners",
    *EVENTS,
    *HALVING,
    *PAUSES,
    *PROPOSALS,
    *TRAINING,
)

_MANY = 1000  # trials: the epochs end the sweep before


@dataclass
class Settings:
    """What the command line may set."""

    searches: list[str] = field(default_factory=lambda: ["best", "asha_bo", "bohb", "qsvr"])
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    n_trials: int = 30
    epochs: int = 12
    experiment: str = "demo_short"
    out: Path = Path("outputs/live")
    results: Path = Path("benchmarks/results")

    def __post_init__(self) -> None:
        """Check the lists."""
        for name in ("searches", "seeds"):
            if not getattr(self, name):
                raise UsageError(f"{name}=[]: expected at least one")


def main(arguments: list[str]) -> int:
    """Run the sweeps; see the module's text."""
    return run_command(_compare, Settings, arguments, __doc__)


def _compare(settings: Settings) -> None:
    rows: list[dict[str, Any]] = []
    for seed in settings.seeds:
        first, *others = settings.searches
        rows.append(_sweep(settings, first, seed, None))
        budget = rows[-1]["epochs"]
        rows += [_sweep(settings, search, seed, budget) for search in others]
    print_rows(rows)
    shown = {key: value for key, value in vars(settings).items() if key not in ("out", "results")}
    result = {"settings": shown, "rows": rows}
    command, seeds = "make repro-live", settings.seeds
    file = settings.results / "live.json"
    write_result(file, result, command=command, depends=_DEPENDS, seeds=seeds)


def _sweep(settings: Settings, search: str, seed: int, budget: int | None) -> dict[str, Any]:
    folder = settings.out / f"{search}-{settings.n_trials}-{settings.epochs}-{seed}"
    command = sweep_command(settings, search, seed, budget, folder)
    print(f"\n$ python {' '.join(command)}", flush=True)
    if subprocess.run([sys.executable, *command], check=False).returncode != 0:
        raise Failure(f"hpo={search}: the sweep failed")
    return row(search, seed, json.loads((folder / "summary.json").read_text()))


def sweep_command(
    settings: Settings, search: str, seed: int, budget: int | None, folder: Path
) -> list[str]:
    """Return the arguments of Python for one sweep.

    Args:
        settings: of all sweeps.
        search: an option of `hpo`.
        seed: of the sampler and of the trainings.
        budget: epochs of all trials together; None: `settings.n_trials` end the sweep.
        folder: of the sweep.
    """
    n_trials = settings.n_trials if budget is None else _MANY
    limit = [] if budget is None else [f"hpo.budget.epochs={budget}"]
    return [
        *("-m", "mlpf.train", "-m", f"experiment={settings.experiment}", f"hpo={search}"),
        *("launcher=local", "hpo.n_workers=1", f"hpo.n_trials={n_trials}", *limit),
        *(f"trainer.max_epochs={settings.epochs}", f"seed={seed}"),
        f"hydra.sweep.dir={folder}",
    ]


def row(search: str, seed: int, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a sweep's `summary.json`."""
    trials, best = summary["n_trials"], summary["best"]
    return {
        "search": search,
        "seed": seed,
        "epochs": summary["epochs"]["run"],
        "best_val_loss": None if best is None else best["value"],
        "complete": trials["complete"],
        "pruned": trials["pruned"],
        "seconds": 3600 * summary["worker_hours"]["used"],
    }


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line per sweep, and one per search."""
    head = f"{'epochs':>8}{'best val_loss':>15}{'complete':>10}{'pruned':>8}{'s':>7}"
    print(f"\n{'hpo=':<12}{'seed':>5}{head}")
    for each in rows:
        counts = f"{each['complete']:>10}{each['pruned']:>8}{each['seconds']:>7.0f}"
        loss = _loss(each["best_val_loss"])
        print(f"{each['search']:<12}{each['seed']:>5}{each['epochs']:>8}{loss}{counts}")
    print(f"\n{'hpo=':<12}{'mean of the best':>20}{'range':>30}")
    for search in dict.fromkeys(each["search"] for each in rows):
        found = [each["best_val_loss"] for each in rows if each["search"] == search]
        known = [loss for loss in found if loss is not None]
        if len(known) < len(found):
            print(f"{search:<12}{'-':>20}{len(found) - len(known):>17} without any")
            continue
        low, high = min(known), max(known)
        print(f"{search:<12}{statistics.fmean(known):>20.4f}{f'{low:.4f} to {high:.4f}':>30}")


def _loss(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.4f}':>15}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
