"""The command `python -m hpo.simulate`, see `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.progress import Progress

from hpo.curves import CurveTable, read_curves
from hpo.simulate import report
from hpo.simulate.campaign import Plan, simulate_all
from hpo.simulate.draws import Variant, draw
from hpo.simulate.methods import Method, make_method, missing_package, read_methods, select
from hpo.simulate.results import make_rows

USAGE = """\
Replay sweeps from recorded learning curves, to judge pruners before core-hours are spent.

    python -m hpo.simulate curves=FILE.csv [key=value ...]

The table: one training per line, columns of hyperparameters (numbers) and of the objective after
each epoch.
  curves=FILE.csv        with a header line
  hps=[lr,dropout]       hyperparameters; default: all columns but those of the curves
  prefix=loss_           the curves are in loss_0, loss_1, ...; prefix= for 0, 1, ...
  direction=minimize     or maximize

What is compared (hpo/simulate/methods.yaml has them all):
  methods=[asha,...]     default: those that apply
  methods_file=MINE.yaml more of them, in the same form
  pruner._target_=...    one pruner of your own, pruner.KEY=VALUE for its arguments
  sampler._target_=...   draws the configurations for all pruners; gets the seed of the sweep

Two kinds of sweep. Without a sampler, a method meets the rows of the table in a random order, as
many as Hyperband takes; it is measured by the epochs that it needs and by how near it comes to
Hyperband's final value on the same order. With a sampler, each proposal gets the curve of the
nearest row; it is measured by the epochs until a trial has finished near the table's best.
  orders=100             random orders                     first_order=0
  seeds=20               sweeps with a sampler             first_seed=0
  n_workers=N            default: 1 without a sampler, 8 with one
  tolerance=X            default: 0.3 for the published MLPF curves, else 1 % of the
                         inter-quartile range of the final values
  within=[A,B]           distances to the table's best; default: [0.1,1] for the published MLPF
                         curves, else [tolerance, 10 tolerance]
  budget=N               epochs of a sweep with a sampler; default: 160 full trainings

What an epoch does not cost, and how much hangs on a few rows:
  start_epochs=0         charged for starting a trial
  resume_epochs=0        charged for resuming one
  drop_best=10           the best rows are removed
  drop_half_of_best=60   of so many best rows, a random half of each order
  earlier_groups=60      so many configurations, drawn for each order, are an earlier study, for
                         the methods with a screen

  n_jobs=N               processes; default: one per core
  out=outputs/simulate   gets simulate.json (a row per method: median_epochs, mean_epochs, p_tol,
                         p_leq, solved, cost, standard errors, paired comparisons, settings) and
                         simulate.png
"""

_MLPF = "83c7ae6933f20379d8edbb733dbc5a5a463009c99ecb3d6d906459c4c14d7fa6"
# Trained again, its configurations end a median of 1.07 apart: a smaller distance means nothing.
_MLPF_TOLERANCE, _MLPF_WITHIN = 0.3, (0.1, 1.0)
_AT_LEAST = {
    **dict.fromkeys(("orders", "seeds", "first_order", "first_seed", "tolerance"), 0),
    **dict.fromkeys(("drop_best", "drop_half_of_best", "earlier_groups"), 0),
    **dict.fromkeys(("start_epochs", "resume_epochs"), 0),
    **dict.fromkeys(("n_workers", "n_jobs", "budget"), 1),
}
_BESIDE_OWN_PRUNER = ("hyperband", "ladder_506", "ladder_609", "asha")


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    curves: str = ""
    hps: list[str] | None = None
    prefix: str | None = "loss_"
    direction: str = "minimize"
    methods: list[str] | None = None
    methods_file: str | None = None
    pruner: dict[str, Any] | None = None
    sampler: dict[str, Any] | None = None
    orders: int = 100
    first_order: int = 0
    seeds: int = 20
    first_seed: int = 0
    n_workers: int | None = None
    tolerance: float | None = None
    within: list[float] | None = None
    budget: float | None = None
    start_epochs: float = 0.0
    resume_epochs: float = 0.0
    drop_best: int = 0
    drop_half_of_best: int = 0
    earlier_groups: int = 0
    n_jobs: int | None = None
    out: str = "outputs/simulate"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    if not arguments or {"-h", "--help"} & set(arguments):
        console.print(USAGE.rstrip(), markup=False, highlight=False)
        return 0 if arguments else 2
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        settings = _read(arguments)
        rows = _simulate(settings, console)
        report.write(rows, Path(settings.out))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    report.print_rows(console, rows)
    console.print(f"files in {settings.out}", markup=False, highlight=False)
    return 0


def _simulate(settings: Settings, console: Console) -> list[dict[str, Any]]:
    table = read_curves(
        Path(settings.curves), settings.hps, settings.prefix or "", settings.direction
    )
    tolerance = _tolerance(settings, table)
    plan = _plan(settings, table, tolerance)
    methods = _methods(settings, plan, console)
    n_sweeps = sum(len(plan.numbers(method)) for method in methods)
    # One thread per process, whatever library a predictor uses.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    with Progress(console=console) as progress:
        task = progress.add_task("sweeps", total=n_sweeps)
        outcomes = simulate_all(
            plan, methods, settings.n_jobs or _n_cores(), lambda n: progress.advance(task, n)
        )
    return make_rows(plan, methods, outcomes, tolerance, _common(settings, plan))


def _read(arguments: Sequence[str]) -> Settings:
    try:
        given = OmegaConf.from_cli(list(arguments))
        merged = OmegaConf.merge(OmegaConf.structured(Settings), given)
        # Not resolved: a node may say ${epochs}.
        settings = Settings(**OmegaConf.to_container(merged, resolve=False))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:
        where = f"{error.full_key}: " if error.full_key else ""
        raise ValueError(where + str(error).splitlines()[0]) from error
    if not settings.curves:
        raise ValueError("curves=... is missing: a CSV file; see --help")
    for key, low in _AT_LEAST.items():
        value = getattr(settings, key)
        if value is not None and value < low:
            raise ValueError(f"{key} must be >= {low}, got {value}")
    if settings.within is not None and not settings.within:
        raise ValueError("within must have at least one distance")
    return settings


def _tolerance(settings: Settings, table: CurveTable) -> float:
    if settings.tolerance is not None:
        return settings.tolerance
    if table.sha256 == _MLPF:
        return _MLPF_TOLERANCE
    finals = table.losses[:, -1]
    low, high = np.quantile(finals[np.isfinite(finals)], [0.25, 0.75])
    return 0.01 * float(high - low)


def _plan(settings: Settings, table: CurveTable, tolerance: float) -> Plan:
    within = settings.within
    if within is None:
        within = list(_MLPF_WITHIN) if table.sha256 == _MLPF else [tolerance, 10 * tolerance]
    variant = Variant(settings.drop_best, settings.drop_half_of_best, settings.earlier_groups)
    return Plan(
        table=table,
        orders=range(settings.first_order, settings.first_order + settings.orders),
        seeds=range(settings.first_seed, settings.first_seed + settings.seeds),
        variant=variant,
        n_workers=settings.n_workers,
        budget=settings.budget or 160.0 * table.n_epochs,
        within=tuple(within),
        start_epochs=settings.start_epochs,
        resume_epochs=settings.resume_epochs,
    )


def _methods(settings: Settings, plan: Plan, console: Console) -> list[Method]:
    known = read_methods(Path(__file__).with_name("methods.yaml"))
    if settings.methods_file is not None:
        known |= read_methods(Path(settings.methods_file))
    names = settings.methods
    if settings.pruner is not None:
        names = names or list(_BESIDE_OWN_PRUNER)
        own = str(settings.pruner.get("_target_", "")).rpartition(".")[2] or "pruner"
        known[own] = make_method(own, {"pruner": settings.pruner})
        names = [*names, own]
    chosen = select(known, list(known) if names is None else names)
    if settings.sampler is not None:
        chosen = [_with_sampler(m, settings.sampler) for m in chosen if not m.is_reference]
    reasons = {method.name: _why_not(method, plan) for method in chosen}
    for name, reason in reasons.items():
        if reason is not None and names is not None and name in names:
            raise ValueError(f"method {name}: {reason}")
        if reason is not None:
            console.print(f"left out: {name} ({reason})", markup=False, highlight=False)
    methods = [method for method in chosen if reasons[method.name] is None]
    if not methods:
        raise ValueError("methods: none is left")
    return methods


def _with_sampler(method: Method, sampler: dict[str, Any]) -> Method:
    return make_method(method.name, {"sampler": sampler, **method.node})


def _why_not(method: Method, plan: Plan) -> str | None:
    numbers = plan.numbers(method)
    if not numbers:
        return "seeds=0" if method.mode == "sampler" else "orders=0"
    if method.is_warm and not plan.variant.earlier_groups:
        return "it learns from an earlier study: set earlier_groups"
    package = missing_package(method, plan.values(method, numbers[0]))
    return None if package is None else f"needs {package}, which is not installed"


def _common(settings: Settings, plan: Plan) -> dict[str, Any]:
    table = plan.table
    common = {
        "curves": {"file": Path(settings.curves).name, "sha256": table.sha256},
        "hps": list(table.names),
        "prefix": settings.prefix or "",
        "direction": settings.direction,
        **asdict(plan.variant),
        "start_epochs": settings.start_epochs,
        "resume_epochs": settings.resume_epochs,
        "optuna": version("optuna"),
        "numpy": version("numpy"),
    }
    if plan.orders:
        common["pool"] = len(draw(table, plan.orders[0], plan.variant).pool)
    return common


def _n_cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
