"""The published R2 table of SVR, Sim-QSVR and QSVR, and the same models by sound protocols.

    python -m benchmarks.reproduce.qsvr.table [key=value ...]

curves    the published table of 296 MLPF trainings, default data/curves/mlpf_delphes.csv
          (`make curves`)
qpu       folder with the recorded runs of the annealer, single20.npz and combination4x20.npz
n_splits  random splits into training and test rows, default 100; ten times as many for the
          published SVR
seed      random state of the first split, default 123
n_jobs    processes, default: one per core
out       folder for benchmark.json and benchmark.png, default results/qsvr
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reproduce.curves import MLPF_SHA256
from benchmarks.reproduce.qsvr.models import PUBLISHED_SIM_QSVR, PUBLISHED_SVR
from benchmarks.reproduce.qsvr.protocols import (
    PublishedSpace,
    few_of_pool,
    first_few,
    most,
    swapped_r2,
)
from benchmarks.reproduce.qsvr.recorded import (
    COMBINED,
    SINGLE,
    combined_fits,
    read_runs,
    single_fits,
)
from commons.cli import Failure, run_command
from commons.files import sha256, write_json
from commons.processes import n_cores
from qsvr.benchmark.__main__ import check_settings, wide_console
from qsvr.benchmark.curves import LearningCurves, read_curves
from qsvr.benchmark.models import CLASSICAL, LIVE, SIMULATED
from qsvr.benchmark.output import announce, draw, figures, print_tables
from qsvr.benchmark.protocols import TrainingSpace, grouped_few, grouped_most
from qsvr.benchmark.rows import Row, make_row
from qsvr.benchmark.run import (
    DETAILED_FRACTION,
    Fits,
    Part,
    distinct_fractions,
    live_jobs,
    plan,
    run,
)

# best, worst, mean, standard deviation of R2 at 25 % as printed in the published table
PUBLISHED = {
    PUBLISHED_SVR.name: (0.959, 0.318, 0.889, 0.050),
    PUBLISHED_SIM_QSVR.name: (0.949, 0.383, 0.901, 0.045),
    SINGLE: (0.948, 0.742, 0.880, 0.056),
}
NOTES = """\
R2; mean over splits ± its standard error (splits overlap: it is somewhat too small).
untr. = prediction without training, the quantile of the last known loss, on the same splits;
- untr. and - SVR = paired differences, to it and of an annealed model to the classical one.
published: R2 with swapped arguments, scalers fitted on all rows, target the last epoch but one,
  worst training left out, equal configurations on both sides; Sim-QSVR pools seven combination
  methods, QPU is the best of the seven, chosen on the test scores. Not a protocol to follow.
quantile: the same rows, splits, scales and target; R2 with the right order of arguments.
corrected: all rows, scalers fitted on training rows, last epoch, no configuration on both sides.
"SVR, published", "Sim-QSVR, published": every second known epoch, no hyperparameters, C = 67.61,
  two-sided encoding. "SVR", "Sim-QSVR": qsvr.predictor, last values and hyperparameters by
  relevance, C = 1, the same kernel and box for both."""

FEW = (PUBLISHED_SVR, PUBLISHED_SIM_QSVR, CLASSICAL, SIMULATED)
FIRST_FEW = Part(PublishedSpace, first_few, (PUBLISHED_SVR,), n_splits=10)
FEW_OF_POOL = Part(PublishedSpace, few_of_pool, FEW)
PARTS = (
    FIRST_FEW,
    FEW_OF_POOL,
    Part(PublishedSpace, most, (CLASSICAL,)),
    Part(TrainingSpace, grouped_few, FEW),
    Part(TrainingSpace, grouped_most, (CLASSICAL,)),
)
LIVE_PART = Part(PublishedSpace, few_of_pool, (LIVE,), paired=(CLASSICAL,))


@dataclass
class Settings:
    """What the command line may set, see above."""

    curves: Path = Path("data/curves/mlpf_delphes.csv")
    qpu: Path | None = None
    n_splits: int = 100
    seed: int = 123
    n_jobs: int | None = None
    out: Path = Path("results/qsvr")


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    check_settings(settings.n_splits, settings.seed, settings.n_jobs)
    curves = read_curves(settings.curves)
    if sha256(settings.curves) != MLPF_SHA256:
        raise Failure(f"curves={settings.curves}: not the published table (make curves)")
    console = wide_console()
    context: dict[str, Any] = {
        "settings": {"n_splits": settings.n_splits, "seed": settings.seed},
        "notes": NOTES.splitlines(),
    }
    rows: list[Row] = []
    if settings.qpu is not None:
        rows, difference = _recorded_rows(curves, settings.qpu)
        context["qpu_largest_difference"] = difference
        console.print(f"recorded QPU runs: R2 differ from the stored ones by {difference:.1g}")
    jobs = plan(PARTS, distinct_fractions(curves), settings.n_splits, settings.seed)
    jobs += live_jobs(LIVE_PART, settings.seed)
    announce(console, jobs)
    results = run(curves, jobs, settings.n_jobs or n_cores())
    rows += [row for part, fits in results for row in _rows_of(part, fits)]
    print_tables(console, rows, DETAILED_FRACTION, NOTES)
    for name, printed in PUBLISHED.items():
        console.print(f"printed in the paper: {name}: {' / '.join(map(str, printed))}")
    context["rows"] = [_with_printed(row) for row in rows]
    write_json(settings.out / "benchmark.json", context)
    draw(settings.out / "benchmark.png", rows, DETAILED_FRACTION)
    console.print(f"files in {settings.out}", markup=False, highlight=False)


def _recorded_rows(curves: LearningCurves, folder: Path) -> tuple[list[Row], float]:
    """Rows of the recorded runs by both orders of R2, and the largest difference of an R2."""
    single, combination = read_runs(folder)
    rows, differences = [], []
    for name, (fits, difference) in (
        (SINGLE, single_fits(curves, single)),
        (COMBINED, combined_fits(curves, combination)),
    ):
        rows += [
            make_row(fits, name, "published", r2=swapped_r2),
            make_row(fits, name, "quantile"),
        ]
        differences.append(difference)
    return rows, max(differences)


def _rows_of(part: Part, fits: Fits) -> list[Row]:
    published = {FIRST_FEW: FIRST_FEW.models, FEW_OF_POOL: (PUBLISHED_SIM_QSVR,)}.get(part, ())
    rows = [make_row(fits, m.name, "published", m.classical, swapped_r2) for m in published]
    if part != FIRST_FEW:
        protocol = "corrected" if part.space is TrainingSpace else "quantile"
        rows += [make_row(fits, m.name, protocol, m.classical) for m in part.models]
    return rows


def _with_printed(row: Row) -> dict[str, Any]:
    is_printed = row.protocol == "published" and row.fraction == DETAILED_FRACTION
    return {**figures(row), "published": PUBLISHED.get(row.model) if is_printed else None}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
