"""Pruners on recorded learning curves of MLPF, in virtual time (`make repro-pruner`).

    python -m benchmarks.reproduce.pruner [curves=FILE] [out=DIR] [only=[all,warm,...]]

Runs `python -m hpo.simulate` three times; no setting was chosen on the orders of the first two:
  all            each method trains the same configurations
  without_best   the same without the ten best rows
  warm           after an earlier study of 60 configurations
Rows and pictures go to benchmarks/results/pruner, each run but `all` in a folder of its name, with
a record of the code beside them.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.depends import HALVING
from benchmarks.record import RECORD_FILE, make_record
from benchmarks.reproduce.depends import PAUSES, SIMULATED
from commons.cli import Failure, UsageError, choose, run_command
from commons.files import write_json

_METHODS: Final = "benchmarks/reproduce/policies/methods.yaml"
_COLD: Final = (  # QSVR takes most of the time: an hour of one core for both runs
    "methods=[random,hyperband,swift_svr,swift_qsvr,sha,asha,asha_promotion,ladder,svr,qsvr,"
    "ladder_506,ladder_609,freeze_thaw_last,freeze_thaw_linear,freeze_thaw_gp,freeze_thaw_svr,"
    "freeze_thaw_qsvr]"
)
# Settings were chosen on orders 0 to 49. Trained again, the configurations end a median of 1.07
# apart: a distance below 0.3 means nothing.
_ORDERS: Final = ("orders=50", "first_order=50", "pool_share=1", "within=[0.1,1]")
RUNS: Final = {
    "all": [f"methods_file={_METHODS}", *_ORDERS, _COLD],
    "without_best": [f"methods_file={_METHODS}", *_ORDERS, _COLD, "drop_best=10"],
    "warm": ["orders=40", "earlier_groups=60", "methods=[asha,ladder,warm_asha,warm_ladder]"],
}
_DEPENDS: Final = (
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

    curves: Path = Path("data/curves/mlpf_delphes.csv")
    out: Path = Path("benchmarks/results/pruner")
    only: list[str] = field(default_factory=lambda: [*RUNS])


def main(arguments: list[str]) -> int:
    """Run the simulations; see the module's text."""
    return run_command(_simulate, Settings, arguments, __doc__)


def _simulate(settings: Settings) -> None:
    if not settings.curves.is_file():
        raise UsageError(f"curves={settings.curves}: no such file (make curves)")
    for name in settings.only:
        choose("only", name, RUNS)
    for name in settings.only:
        folder = settings.out if name == "all" else settings.out / name
        given = [f"curves={settings.curves}", "tolerance=0.3", f"out={folder}", *RUNS[name]]
        command = [sys.executable, "-m", "hpo.simulate", *given]
        if subprocess.run(command, check=False).returncode:
            raise Failure(f"{name}: the simulation failed")
        seeds = range(40) if name == "warm" else range(50, 100)
        write_json(folder / RECORD_FILE, make_record("make repro-pruner", _DEPENDS, seeds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
