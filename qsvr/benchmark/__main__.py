"""The command `python -m qsvr.benchmark`, see `--help`."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.progress import Progress

from qsvr.benchmark.curves import LearningCurves, read_curves
from qsvr.benchmark.output import MIN_WIDTH, draw, print_tables, write_json
from qsvr.benchmark.protocols import check_size
from qsvr.benchmark.recorded import combined_scores, read_runs, single_scores
from qsvr.benchmark.rows import MLPF_SHA256, PUBLISHED, Row, make_row
from qsvr.benchmark.run import SLIDE_FRACTION, Job, live_jobs, plan, rows_of, run

USAGE = """\
How well the end of a learning curve is predicted from 50, 25, 10, 5 and 2 % of it.

    python -m qsvr.benchmark curves=FILE.csv [key=value ...]

curves     table of finished trainings, one per row: loss_0, loss_1, ... and hyperparameters
hps        columns that are hyperparameters, hps=[lr,batch_size]; default: all columns but curves
prefix     of the curve's columns, default loss_: prefix=acc_ for acc_0, acc_1, ...; prefix= for
           0, 1, ...
direction  minimize (default) or maximize the metric
qpu        folder with the recorded runs of the annealer, single20.npz and combination4x20.npz
n_splits   random splits into training and test rows, default 100; ten times as many for the
           published SVR
seed       random state of the first split, default 123
n_jobs     processes, default the number of cores
out        folder for benchmark.json and benchmark.png, default outputs/qsvr_benchmark

Compares support vector regression, classical and as a QUBO by simulated annealing, with the
prediction that needs no training. With DWAVE_API_TOKEN in the environment, ten fits run on a real
annealer. Protocols: see the notes below the tables.
"""


@dataclass
class Settings:
    """What the command line may set."""

    curves: Path = MISSING
    hps: list[str] | None = None
    prefix: str | None = "loss_"  # None is what "prefix=" says
    direction: str = "minimize"
    qpu: Path | None = None
    n_splits: int = 100
    seed: int = 123
    n_jobs: int | None = None
    out: Path = Path("outputs/qsvr_benchmark")


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        Console().print(USAGE.rstrip(), markup=False, highlight=False)
        return 0 if arguments else 2
    try:
        _benchmark(_parse(arguments))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> Settings:
    try:
        given = OmegaConf.from_dotlist(list(arguments))
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Settings), given))
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if error.full_key else ""
        raise ValueError(f"{key}{str(error).splitlines()[0]}; see --help") from None
    if not isinstance(settings, Settings):
        raise TypeError(f"expected Settings, got {type(settings).__name__}")
    if settings.n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, got {settings.n_splits}")
    if settings.n_jobs is not None and settings.n_jobs < 1:
        raise ValueError(f"n_jobs must be at least 1, got {settings.n_jobs}")
    if not 0 <= settings.seed < 2**31:
        raise ValueError(f"seed must be between 0 and 2**31 - 1, got {settings.seed}")
    return settings


def _benchmark(settings: Settings) -> None:
    curves = read_curves(
        settings.curves,
        hps=settings.hps,
        prefix=settings.prefix or "",
        direction=settings.direction,
    )
    check_size(curves)
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    console.print(_describe(curves), markup=False, highlight=False)
    is_mlpf = hashlib.sha256(settings.curves.read_bytes()).hexdigest() == MLPF_SHA256
    context: dict[str, Any] = {"settings": _plain(settings), "n_dropped": curves.n_dropped}
    recorded: list[Row] = []
    if settings.qpu is not None:
        recorded, difference = _recorded_rows(curves, settings.qpu)
        context["qpu_largest_difference"] = difference
        console.print(f"recorded QPU runs: R2 differ from the stored ones by {difference:.1g}")
    settings.out.mkdir(parents=True, exist_ok=True)
    rows = recorded + _computed_rows(curves, settings, console, published=is_mlpf)
    print_tables(console, rows, SLIDE_FRACTION)
    write_json(settings.out / "benchmark.json", rows, context)
    draw(settings.out / "benchmark.png", rows, SLIDE_FRACTION)
    console.print(f"files in {settings.out}", markup=False, highlight=False)


def _computed_rows(
    curves: LearningCurves, settings: Settings, console: Console, *, published: bool
) -> list[Row]:
    jobs = plan(settings.n_splits, settings.seed) + live_jobs(settings.seed)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("fits", total=sum(len(job.seeds) for job in jobs))

        def done(job: Job) -> None:
            progress.advance(bar, len(job.seeds))

        results = run(curves, jobs, settings.n_jobs or os.cpu_count() or 1, done)
    return rows_of(jobs, results, published=published)


def _recorded_rows(curves: LearningCurves, folder: Path) -> tuple[list[Row], float]:
    """Rows of the recorded runs under both protocols, and the largest difference of an R2."""
    single, combination = read_runs(folder)
    rows, differences = [], []
    for model, n_train, scored in (
        ("QSVR, recorded QPU", 20, single_scores(curves, single)),
        ("4 QSVR, recorded QPU", 80, combined_scores(curves, combination)),
    ):
        scores, untrained, difference = scored
        differences.append(difference)
        for protocol in ("published", "quantile"):
            paper = PUBLISHED.get(model) if protocol == "published" else None
            rows.append(
                make_row(
                    model, protocol, SLIDE_FRACTION, n_train, scores, untrained, published=paper
                )
            )
    return rows, max(differences)


def _describe(curves: LearningCurves) -> str:
    n_rows, n_epochs = curves.curves.shape
    dropped = f", {curves.n_dropped} rows with missing values left out" * (curves.n_dropped > 0)
    names = ", ".join(curves.names)
    return f"{n_rows} trainings of {n_epochs} epochs{dropped}; hyperparameters: {names}"


def _plain(settings: Settings) -> dict[str, Any]:
    """The settings for JSON, without the folders they lie in."""
    return {
        key: value.name if isinstance(value, Path) else value
        for key, value in asdict(settings).items()
        if key not in ("out", "n_jobs")
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
