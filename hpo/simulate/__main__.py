"""Replay sweeps from recorded learning curves, to compare pruners before core-hours are spent.

    python -m hpo.simulate curves=FILE.csv [key=value ...]
    python -m hpo.simulate study=FOLDER [n_workers=N]   what more workers would have bought

The table has one training per line, and columns of hyperparameters (numbers) and of the objective
after each epoch.
  curves=FILE.csv        with a header line
  hps=[lr,dropout]       hyperparameters; default: all columns except those of the curves
  prefix=loss_           the curves are in loss_0, loss_1, ...; prefix= for 0, 1, ...
  direction=minimize     or maximize

What is compared (hpo/simulate/methods.yaml lists all methods):
  methods=[asha,...]     default: all that apply
  methods_file=MINE.yaml more methods, in the same form
  pruner._target_=...    one pruner of your own, pruner.KEY=VALUE for its arguments
  sampler._target_=...   proposes the configurations for all pruners; is given the sweep's seed

There are two kinds of sweep. Without a sampler, the trials are the rows of the table in a random
order, as many as Hyperband takes, at most half of them. Measured are the epochs, as share of
Hyperband's on the same order too, the distance of the final value to Hyperband's, and the gap,
(final - best) / (median - best) of the pool's final values, at most 1. Standard errors and tests
are given where the orders have enough different best trainings to mean something. With a sampler,
each proposal gets the curve of the nearest row that no trial has had yet. Measured are the epochs
until a trial has finished near the best of the table.
  orders=100             random orders                     first_order=0
  pool_size=N            rows of an order; default: as many as Hyperband takes
  pool_share=0.5         of the rows of the table, at most this part is in an order
  seeds=20               sweeps with a sampler             first_seed=0
  n_workers=N            default: 1 without a sampler, 8 with one
  tolerance=X            distance to Hyperband's final value that counts as equal; default: 1 % of
                         the inter-quartile range of the final values
  within=[A,B]           distances to the table's best; default: [tolerance, 10 tolerance]
  budget=N               epochs of a sweep with a sampler; default: 160 full trainings

What starting costs, and how far the result depends on a few rows:
  start_epochs=0         charged for starting a trial
  resume_epochs=0        charged for resuming one
  drop_best=10           number of best rows to remove
  drop_half_of_best=60   of this many best rows, a random half is removed in each order
  earlier_groups=60      number of configurations that form an earlier study, drawn for each order,
                         for the methods with enqueue_best: N, whose first trials are
                         its N best configurations, with the curves that they had

Time on a cluster, of a sweep that begins when its workers are submitted:
  epoch_s=600            seconds of an epoch, or the column of the table that has them; then
                         results are also given against wall-clock and core-hours
  epoch_sigma=0.2        lognormal spread of the trials' speeds; default: uniform in +-10 %
  queue_s=300            until the job of a worker starts; requeue_s=, the same after a preemption
  start_s=30             from there until the worker is ready
                         each is seconds, [list,of,measured,ones] or {median: 300, sigma: 1}
  failures_per_hour=0    of a worker with a trial: the trial fails
  preemptions_per_hour=0 of a worker with a trial: it is queued again, another one takes the trial
                         over from the last epoch
  cores_per_worker=1     for core-hours

Trials on several GPUs, which may grow (results then have GPU-hours):
  n_gpus=N               of a sweep, in place of n_workers
  gpus_per_trial=1       of each trial, or by epochs done: {0: 1, 8: 2}; a method may have its own
  gpu_efficiency=1       share of the ideal speed left at each doubling of a trial's GPUs; epoch_s
                         is that on one GPU

A finished study, replayed with other numbers of workers:
  study=FOLDER           sweep folder, journal or URL; study=NAME storage=WHERE if it has several
  n_workers=N            compared with those it had; default: 2 and 4 times as many
  pruner._target_=...    decides anew; default: each trial ends where it ended
  queue_s= start_s= requeue_s= failures_per_hour= preemptions_per_hour= cores_per_worker= seeds=
                         as above; by default what was recorded of its workers

  n_jobs=N               processes; default: one per core
  out=outputs/simulate   gets simulate.json (a row per method: median_epochs, mean_epochs, p_tol,
                         p_leq, solved, cost, share, gap, standard errors, paired
                         comparisons, evidence, settings) and simulate.png; with epoch_s
                         timeline.json and timeline.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from commons.cli import UsageError, choose, run_command
from commons.console import Console
from commons.processes import n_cores
from hpo.curves import CurveTable, read_curves
from hpo.simulate import report, report_time
from hpo.simulate.campaign import Outcome, Plan, simulate_all
from hpo.simulate.draws import Variant, draw
from hpo.simulate.gpus import check_pauses
from hpo.simulate.methods import (
    Method,
    make_method,
    make_policy,
    missing_package,
    read_methods,
)
from hpo.simulate.results import make_rows
from hpo.simulate.settings import Settings
from hpo.simulate.timelines import make_row
from hpo.simulate.whatif import answer

_BESIDE_OWN_PRUNER = ("hyperband", "sha", "asha")
# A table without times needs none of these settings, and the results do not name them then.
_OF_TIME = {"epoch_s", "epoch_sigma", "queue_s", "start_s", "requeue_s"}
_OF_TIME |= {"failures_per_hour", "preemptions_per_hour"}
_OF_TIME |= {"n_gpus", "gpus_per_trial", "gpu_efficiency"}


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    code = run_command(_simulate, Settings, arguments or ["--help"], __doc__)
    return code if arguments else 2


def _simulate(settings: Settings) -> None:
    console = Console(width=None if sys.stdout.isatty() else 110)
    if settings.study is not None:
        answer(settings, console)
    elif settings.curves is not None:
        _compare(settings, settings.curves, console)
    else:
        raise UsageError("curves=... or study=... is missing (see --help)")


def _compare(settings: Settings, curves: Path, console: Console) -> None:
    table = read_curves(
        curves,
        settings.hps,
        settings.prefix,
        settings.direction,
        settings.epoch_s_column,
    )
    tolerance = _default_tolerance(table) if settings.tolerance is None else settings.tolerance
    plan = _plan(settings, table, tolerance)
    methods = _methods(settings, plan, console)
    outcomes = simulate_all(plan, methods, settings.n_jobs or n_cores())
    common = _common(settings, curves, plan)
    rows = make_rows(plan, methods, outcomes, tolerance, common)
    report.write(rows, settings.out)
    report.print_rows(console, rows)
    if settings.epoch_s is not None and (timed := _timed(settings, plan, methods, outcomes)):
        title = "Simulated sweeps: medians, and quartiles as bands"
        report_time.write(timed, settings.out, title)
        report_time.print_rows(console, timed, "against time: medians of sweeps")
    console.print(f"files in {settings.out}")


def _timed(
    settings: Settings,
    plan: Plan,
    methods: Sequence[Method],
    outcomes: Sequence[Sequence[Outcome]],
) -> list[dict[str, Any]]:
    """Return a row against time for each method that has one."""
    rows, cores = [], settings.cores_per_worker or 1.0
    unit = "core" if plan.gpus is None else "gpu"
    for method, runs in zip(methods, outcomes, strict=True):
        timelines = [o.run.timeline for o in runs if o.run.timeline is not None]
        if timelines:
            row = make_row(timelines, settings.direction, cores, unit)
            common = _machines(settings, plan, method) | _changed_times(settings)
            rows.append({"name": method.name, **row, "settings": common})
    return rows


def _machines(settings: Settings, plan: Plan, method: Method) -> dict[str, Any]:
    workers = {"n_workers": plan.workers(method)}
    if (gpus := plan.gpus_of(method)) is None:
        return workers | {"cores_per_worker": settings.cores_per_worker or 1.0}
    growth = {"gpus_per_trial": dict(gpus.per_trial.gpus), "gpu_efficiency": gpus.efficiency}
    return workers | {"n_gpus": gpus.n} | growth


def _changed_times(settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.changed.items() if key in _OF_TIME}


def _default_tolerance(table: CurveTable) -> float:
    finals = table.losses[:, -1]
    low, high = np.quantile(finals[np.isfinite(finals)], [0.25, 0.75])
    return 0.01 * float(high - low)


def _plan(settings: Settings, table: CurveTable, tolerance: float) -> Plan:
    return Plan(
        table=table,
        orders=range(settings.first_order, settings.first_order + settings.orders),
        seeds=range(settings.first_seed, settings.first_seed + settings.seeds),
        variant=Variant(
            settings.drop_best,
            settings.drop_half_of_best,
            settings.earlier_groups,
            settings.pool_size,
            settings.pool_share,
        ),
        n_workers=settings.n_workers,
        budget=settings.budget or 160.0 * table.n_epochs,
        within=tuple(settings.within or (tolerance, 10 * tolerance)),
        start_epochs=settings.start_epochs,
        resume_epochs=settings.resume_epochs,
        cluster=settings.cluster(table),
        gpus=settings.gpus,
    )


def _methods(settings: Settings, plan: Plan, console: Console) -> list[Method]:
    known = read_methods(Path(__file__).with_name("methods.yaml"))
    if settings.methods_file is not None:
        known |= read_methods(settings.methods_file)
    names = settings.methods
    if settings.pruner is not None:
        own = str(settings.pruner.get("_target_", "")).rpartition(".")[2] or "pruner"
        known[own] = make_method(own, {"pruner": settings.pruner})
        names = [*(names or _BESIDE_OWN_PRUNER), own]
    for name in names or ():
        choose("methods", name, known)
    chosen = [known[name] for name in (known if names is None else names)]
    if (sampler := settings.sampler) is not None:
        nodes = {m.name: {"sampler": sampler, **m.node} for m in chosen if not m.is_reference}
        chosen = [make_method(name, node) for name, node in nodes.items()]
    methods = []
    for method in chosen:
        reason = _why_not(method, plan)
        if reason is None:
            methods.append(method)
        elif names is not None:
            raise UsageError(f"methods={method.name}: {reason}")
        else:
            console.print(f"left out: {method.name} ({reason})")
    if not methods:
        raise UsageError("methods: none is left")
    return methods


def _why_not(method: Method, plan: Plan) -> str | None:
    numbers = plan.numbers(method)
    if not numbers:
        return "seeds=0" if method.mode == "sampler" else "orders=0"
    if method.n_enqueued and method.mode == "sampler":
        return "enqueue_best is for a pool, without a sampler"
    if method.n_enqueued and not plan.variant.earlier_groups:
        return "it begins with the best of an earlier study: set earlier_groups"
    if plan.gpus is None and method.growth is not None:
        return "it has gpus_per_trial: set n_gpus=N, those of a sweep"
    try:
        gpus = plan.gpus_of(method)
    except ValueError as error:
        return str(error)
    values = plan.values(method, numbers[0])
    if (package := missing_package(method, values)) is not None:
        return f"needs {package}, which is not installed"
    if gpus is not None and not method.is_reference:
        try:
            check_pauses(gpus.per_trial, make_policy(method, values).pruner)
        except ValueError as error:
            return str(error)
    return None


def _common(settings: Settings, curves: Path, plan: Plan) -> dict[str, Any]:
    table = plan.table
    common = {
        "curves": {"file": curves.name, "sha256": table.sha256},
        "hps": list(table.names),
        "prefix": settings.prefix,
        "direction": settings.direction,
        **asdict(plan.variant),
        "start_epochs": settings.start_epochs,
        "resume_epochs": settings.resume_epochs,
        **_changed_times(settings),
        "optuna": version("optuna"),
        "numpy": version("numpy"),
    }
    if plan.orders:
        common["pool"] = len(draw(table, plan.orders[0], plan.variant).pool)
    return common


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
