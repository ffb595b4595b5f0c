"""How well the final loss of a training is forecast, by SVR and QSVR (`make repro-qsvr`).

    python -m benchmarks.reproduce.qsvr [scale=tiny|small|full] [curves=FILE] [qpu=DIR]

1. `published`: the published table of R2 on the published curves, and the same models by sound
   protocols (`python -m benchmarks.reproduce.qsvr.table`). `qpu` is the folder with the recorded
   runs of the annealer.
2. `own`: SVR and QSVR on our own curves (`python -m qsvr.benchmark`), if `make repro-curves` has
   made them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.reproduce.own_curves import own_table
from benchmarks.reproduce.scales import SMALL_IS_FULL, Target
from commons.cli import run_command

DEPENDS: Final = (
    "benchmarks.reproduce.qsvr",
    "qsvr.annealing.qubo",
    "qsvr.annealing.samplers",
    "qsvr.benchmark.curves",
    "qsvr.benchmark.models",
    "qsvr.benchmark.protocols",
    "qsvr.benchmark.rows",
    "qsvr.benchmark.run",
    "qsvr.estimator",
    "qsvr.features",
    "qsvr.predictor",
)
N_SPLITS: Final = {"tiny": 2, "small": 100}
_SEED: Final = 123


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    curves: Path = Path("data/curves/mlpf_delphes.csv")
    qpu: Path | None = None


def main(arguments: list[str]) -> int:
    """Fit the models; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    own = own_table(settings.scale)
    names = ["published"] if own is None else ["published", "own"]
    target = Target("qsvr", settings.scale, len(names))
    if settings.scale == "full":
        print(SMALL_IS_FULL)
        return
    sizes = f"n_splits={N_SPLITS[settings.scale]}", f"seed={_SEED}"
    recorded = [] if settings.qpu is None else [f"qpu={settings.qpu}"]
    published = f"curves={settings.curves}", *recorded, f"out={target.folder / 'published'}"
    target.run("published", "benchmarks.reproduce.qsvr.table", *published, *sizes)
    if own is not None:
        arguments = f"curves={own}", f"out={target.folder / 'own'}", *sizes
        target.run("own", "qsvr.benchmark", *arguments)
    figures = {}
    for name in names:
        file = target.folder / name / "benchmark.json"
        figures[name] = json.loads(file.read_text())
        target.keep_picture(file.with_suffix(".png"), name)
    target.write(figures, depends=DEPENDS, seeds=[_SEED])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
