"""How well the end of a learning curve is predicted from 50, 25, 10, 5 and 2 % of it.

Of fractions that are the same number of epochs, one is shown.

    python -m qsvr.benchmark curves=FILE.csv [key=value ...]

curves     table of finished trainings, one per row: loss_0, loss_1, ... and hyperparameters
hps        columns that are hyperparameters, hps=[lr,batch_size]; default: all except the curves
prefix     of the curve's columns, default loss_: prefix=acc_ for acc_0, acc_1, ...; prefix= for
           0, 1, ...
direction  minimize (default) or maximize the metric
n_splits   random splits into training and test rows, default 100
seed       random state of the first split, default 123
n_jobs     processes, default: one per core
out        folder for benchmark.json and benchmark.png, default outputs/qsvr_benchmark

Compares support vector regression, classical and as a QUBO by simulated annealing, with the
prediction that needs no training. With DWAVE_API_TOKEN in the environment, ten fits run on a real
annealer. Notes below the tables describe the protocol.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commons.cli import UsageError, run_command
from commons.console import Console
from commons.files import write_json
from commons.processes import n_cores
from qsvr.benchmark.curves import LearningCurves, read_curves
from qsvr.benchmark.output import MIN_WIDTH, announce, draw, figures, print_tables
from qsvr.benchmark.protocols import check_size
from qsvr.benchmark.rows import make_row
from qsvr.benchmark.run import (
    DETAILED_FRACTION,
    LIVE_PART,
    PARTS,
    distinct_fractions,
    live_jobs,
    plan,
    run,
)

PROTOCOL = "grouped"
NOTES = """\
R2; mean over splits ± its standard error (splits overlap: it is somewhat too small).
untr. = prediction without training, the quantile of the last known loss, on the same splits;
- untr. and - SVR = paired differences, to it and of an annealed model to the classical one.
grouped: no configuration of hyperparameters has both training and test rows; scales are fitted on
  training rows; the target is the last epoch.
Both models: qsvr.predictor, last values and hyperparameters by relevance, C = 1, same kernel."""


@dataclass
class Settings:
    """What the command line may set, see above."""

    curves: Path
    hps: list[str] | None = None
    prefix: str = "loss_"
    direction: str = "minimize"
    n_splits: int = 100
    seed: int = 123
    n_jobs: int | None = None
    out: Path = Path("outputs/qsvr_benchmark")


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_benchmark, Settings, arguments, __doc__)


def _benchmark(settings: Settings) -> None:
    check_settings(settings.n_splits, settings.seed, settings.n_jobs)
    curves = read_curves(settings.curves, settings.hps, settings.prefix, settings.direction)
    check_size(curves)
    console = wide_console()
    console.print(_describe(curves))
    jobs = plan(PARTS, distinct_fractions(curves), settings.n_splits, settings.seed)
    jobs += live_jobs(LIVE_PART, settings.seed)
    announce(console, jobs)
    rows = [
        make_row(fits, model.name, PROTOCOL, model.classical)
        for part, fits in run(curves, jobs, settings.n_jobs or n_cores())
        for model in part.models
    ]
    print_tables(console, rows, DETAILED_FRACTION, NOTES)
    content = {
        "settings": _plain(settings),
        "n_dropped": curves.n_dropped,
        "notes": NOTES.splitlines(),
        "rows": [figures(row) for row in rows],
    }
    write_json(settings.out / "benchmark.json", content)
    draw(settings.out / "benchmark.png", rows, DETAILED_FRACTION)
    console.print(f"files in {settings.out}")


def check_settings(n_splits: int, seed: int, n_jobs: int | None) -> None:
    """Check the numbers of the command line.

    Raises:
        UsageError: one is out of its range.
    """
    if n_splits < 2:
        raise UsageError(f"n_splits={n_splits}: must be at least 2")
    if n_jobs is not None and n_jobs < 1:
        raise UsageError(f"n_jobs={n_jobs}: must be at least 1")
    if not 0 <= seed < 2**31:
        raise UsageError(f"seed={seed}: must be between 0 and 2**31 - 1")


def wide_console() -> Console:
    """Return a console on which the tables fit."""
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    return console


def _describe(curves: LearningCurves) -> str:
    n_rows, n_epochs = curves.curves.shape
    dropped = f", {curves.n_dropped} rows with missing values left out" * (curves.n_dropped > 0)
    names = ", ".join(curves.names)
    return f"{n_rows} trainings of {n_epochs} epochs{dropped}; hyperparameters: {names}"


def _plain(settings: Settings) -> dict[str, Any]:
    """The settings for JSON, without folders."""
    return {
        key: value.name if isinstance(value, Path) else value
        for key, value in asdict(settings).items()
        if key not in ("out", "n_jobs")
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
