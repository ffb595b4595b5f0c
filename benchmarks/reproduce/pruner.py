"""Pruners on recorded learning curves, and live (`make repro-pruner`).

    python -m benchmarks.reproduce.pruner [scale=tiny|small|full] [curves=FILE]

In virtual time, by `python -m hpo.simulate`; no setting was chosen on the orders of the first
three:
  all            each method trains the same configurations of the published curves
  without_best   the same without the ten best rows
  own            the same as `all` on our own curves, if `make repro-curves` has made them
  warm           after an earlier study of 60 configurations
  warm_cifar     the same on curves of CIFAR
  cifar, taskset SVR and QSVR on tables of other kinds
Tables of the last three are cifar.csv and taskset_lstm.csv beside `curves`; what is not there is
left out. The rows of all go to one JSON file, and there is a picture of each.

Live: sweeps of MLPF by random search with one worker. All pruners get the same configurations and
seed, so the trainings are the same: without a pruner, each is trained to the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.depends import HALVING
from benchmarks.reproduce.algorithms import row
from benchmarks.reproduce.depends import EVENTS, PAUSES, SIMULATED, TRAINING
from benchmarks.reproduce.own_curves import own_table
from benchmarks.reproduce.scales import SMALL_IS_FULL, Target
from commons.cli import UsageError, run_command

_METHODS: Final = "benchmarks/reproduce/policies/methods.yaml"
# QSVR takes most of the time: half an hour of one core.
_ALL: Final = (
    "methods=[random,hyperband,swift_svr,swift_qsvr,sha,asha,asha_promotion,ladder,svr,qsvr,"
    "ladder_506,ladder_609,freeze_thaw_last,freeze_thaw_linear,freeze_thaw_gp,freeze_thaw_svr,"
    "freeze_thaw_qsvr]"
)
# Settings were chosen on orders 0 to 49.
_ORDERS: Final = ("orders=50", "first_order=50", "pool_share=1", "within=[0.1,1]")
_COLD: Final = (f"methods_file={_METHODS}", _ALL, *_ORDERS)
# Trained again, the configurations end a median of 1.07 apart: 0.3 means nothing.
_TOLERANCE: Final = "tolerance=0.3"
_WARM: Final = ("orders=40", "earlier_groups=60", "methods=[asha,ladder,warm_asha,warm_ladder]")
_CIFAR: Final = ("prefix=acc_", "direction=maximize")
_FORECASTS: Final = ("orders=20", "methods=[hyperband,asha,ladder,svr,qsvr]")
_TINY: Final = ("orders=2", "pool_share=1", "methods=[random,hyperband,asha,ladder]")
_LIVE: Final = {
    "tiny": ("qsvr",),
    "small": ("none", "hyperband", "asha", "svr", "qsvr"),
}
_SEED: Final = 1
# Overrides of a live sweep. An epoch takes half a second of a core.
_SWEEP: Final = {
    "tiny": ("experiment=smoke", "hpo.n_trials=3", "trainer.max_epochs=3"),
    "small": (
        *("experiment=curves", "search_space=curves7"),
        *("hpo.n_trials=40", "trainer.max_epochs=27"),
    ),
}
DEPENDS: Final = (
    "benchmarks.reproduce.policies.ladder",
    "benchmarks.reproduce.policies.swift",
    "benchmarks.reproduce.pruner",
    _METHODS,
    "conf/experiment/curves.yaml",
    "conf/hpo/pruner",
    "conf/hpo/random.yaml",
    "conf/model/gnn_lsh_small.yaml",
    "conf/optimizer/adamw.yaml",
    "conf/search_space/curves7.yaml",
    "hpo.search.freeze_thaw",
    "hpo.search.seeded",
    "hpo.simulate.campaign",
    "hpo.simulate.draws",
    "hpo.simulate.evidence",
    "hpo.simulate.methods",
    "hpo.simulate.results",
    "hpo.simulate.synchronous",
    "hpo/simulate/methods.yaml",
    "qsvr.forecasting",
    "qsvr.pruners",
    *EVENTS,
    *HALVING,
    *PAUSES,
    *SIMULATED,
    *TRAINING,
)


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    curves: Path = Path("data/curves/mlpf_delphes.csv")


def main(arguments: list[str]) -> int:
    """Run the simulations and the live sweeps; see the module's text."""
    return run_command(_compare, Settings, arguments, __doc__)


def _compare(settings: Settings) -> None:
    runs, pruners = runs_of(settings), _LIVE.get(settings.scale, ())
    target = Target("pruner", settings.scale, len(runs) + len(pruners))
    if settings.scale == "full":
        print(SMALL_IS_FULL)
        return
    if not settings.curves.is_file():
        raise UsageError(f"curves={settings.curves}: no such file (make curves)")
    rows = simulate(target, runs)
    live = [sweep(target, pruner) for pruner in pruners]
    print_live(live)
    target.write({"rows": rows, "live": live}, depends=DEPENDS, seeds=range(100))


def simulate(target: Target, runs: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Simulate what has not been simulated; return the rows of each simulation."""
    rows: dict[str, Any] = {}
    for name, arguments in runs.items():
        folder = target.folder / name
        target.run(name, "hpo.simulate", *arguments, f"out={folder}")
        rows[name] = json.loads((folder / "simulate.json").read_text())
        target.keep_picture(folder / "simulate.png", name)
    return rows


def runs_of(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Return the arguments of each simulation, by its name."""
    published = f"curves={settings.curves}"
    if settings.scale == "tiny":
        return {"all": (published, *_TINY)}
    runs = {
        "all": (published, _TOLERANCE, *_COLD),
        "without_best": (published, _TOLERANCE, *_COLD, "drop_best=10"),
    }
    if (own := own_table(settings.scale)) is not None:
        runs["own"] = (f"curves={own}", *_COLD)
    runs["warm"] = (published, _TOLERANCE, *_WARM)
    return runs | _others(settings.curves.parent)


def _others(folder: Path) -> dict[str, tuple[str, ...]]:
    cifar, taskset = folder / "cifar.csv", folder / "taskset_lstm.csv"
    runs: dict[str, tuple[str, ...]] = {}
    if cifar.is_file():
        runs["warm_cifar"] = (f"curves={cifar}", *_CIFAR, *_WARM)
        runs["cifar"] = (f"curves={cifar}", *_CIFAR, *_FORECASTS, "pool_share=0.5")
    if taskset.is_file():  # 1,000 rows
        runs["taskset"] = (f"curves={taskset}", *_FORECASTS, "pool_share=0.1")
    return runs


def sweep(target: Target, pruner: str) -> dict[str, Any]:
    """Run the live sweep of a pruner; return what is compared of it."""
    name = f"live_{pruner}"
    folder = target.folder / name
    target.run(name, "mlpf.train", *sweep_arguments(target.scale, pruner, folder))
    return row(pruner, _SEED, json.loads((folder / "summary.json").read_text()))


def sweep_arguments(scale: str, pruner: str, folder: Path) -> list[str]:
    """Return the arguments of `python -m mlpf.train` for a live sweep."""
    return [
        *("-m", "hpo=random", f"hpo/pruner={pruner}", *_SWEEP[scale], f"seed={_SEED}"),
        *("launcher=local", "hpo.n_workers=1", f"hydra.sweep.dir={folder}"),
    ]


def print_live(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a line per live sweep."""
    print(f"\n{'hpo/pruner=':<12}{'epochs':>8}{'best val_loss':>15}{'complete':>10}{'s':>7}")
    for each in rows:
        best = "-" if each["best_val_loss"] is None else f"{each['best_val_loss']:.4f}"
        counts = f"{best:>15}{each['complete']:>10}{each['seconds']:>7.0f}"
        print(f"{each['search']:<12}{each['epochs']:>8}{counts}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
