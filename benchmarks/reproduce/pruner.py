"""Pruners on recorded learning curves, in virtual time (`make repro-pruner`).

    python -m benchmarks.reproduce.pruner [scale=tiny|small|full] [curves=FILE] [cifar=FILE]

Runs `python -m hpo.simulate`; no setting was chosen on the orders of the first three:
  all            each method trains the same configurations of the published curves
  without_best   the same without the ten best rows
  own            the same as `all` on our own curves, if `make repro-curves` has made them
  warm           after an earlier study of 60 configurations
  warm_cifar     the same on curves of CIFAR, if there is such a file
The rows of all go to one JSON file, and there is a picture of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.depends import HALVING
from benchmarks.reproduce.depends import PAUSES, SIMULATED
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
_TINY: Final = ("orders=2", "pool_share=1", "methods=[random,hyperband,asha,ladder]")
DEPENDS: Final = (
    "benchmarks.reproduce.policies.ladder",
    "benchmarks.reproduce.policies.swift",
    "benchmarks.reproduce.pruner",
    _METHODS,
    "hpo.search.freeze_thaw",
    "hpo.simulate.campaign",
    "hpo.simulate.draws",
    "hpo.simulate.evidence",
    "hpo.simulate.methods",
    "hpo.simulate.results",
    "hpo.simulate.synchronous",
    "hpo/simulate/methods.yaml",
    "qsvr.forecasting",
    "qsvr.pruners",
    *HALVING,
    *PAUSES,
    *SIMULATED,
)


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    curves: Path = Path("data/curves/mlpf_delphes.csv")
    cifar: Path = Path("data/curves/cifar.csv")


def main(arguments: list[str]) -> int:
    """Run the simulations; see the module's text."""
    return run_command(_simulate, Settings, arguments, __doc__)


def _simulate(settings: Settings) -> None:
    runs = runs_of(settings)
    target = Target("pruner", settings.scale, len(runs))
    if settings.scale == "full":
        print(SMALL_IS_FULL)
        return
    if not settings.curves.is_file():
        raise UsageError(f"curves={settings.curves}: no such file (make curves)")
    rows: dict[str, Any] = {}
    for name, arguments in runs.items():
        folder = target.folder / name
        target.run(name, "hpo.simulate", *arguments, f"out={folder}")
        rows[name] = json.loads((folder / "simulate.json").read_text())
        target.keep_picture(folder / "simulate.png", name)
    target.write({"rows": rows}, depends=DEPENDS, seeds=range(100))


def runs_of(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Return the arguments of each simulation, by its name."""
    published, cifar = f"curves={settings.curves}", f"curves={settings.cifar}"
    if settings.scale == "tiny":
        return {"all": (published, *_TINY)}
    runs = {
        "all": (published, _TOLERANCE, *_COLD),
        "without_best": (published, _TOLERANCE, *_COLD, "drop_best=10"),
    }
    if (own := own_table(settings.scale)) is not None:
        runs["own"] = (f"curves={own}", *_COLD)
    runs["warm"] = (published, _TOLERANCE, *_WARM)
    if settings.cifar.is_file():
        runs["warm_cifar"] = (cifar, *_CIFAR, *_WARM)
    return runs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
