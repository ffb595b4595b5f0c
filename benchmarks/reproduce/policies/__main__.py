"""Pruners and search policies on recorded learning curves of several kinds of problem.

    python -m benchmarks.reproduce.policies [key=value ...]     (make repro-policies)

Every method trains the same draws of trainings from each table, in virtual time. A draw has as
many trainings as Hyperband takes, and at most half of the table. Tables of one family share their
weight. Printed are, for each method:
  share    of Hyperband's epochs on the same draw; reload: with each resumption charged to both
  P        share of draws that end within a tolerance of Hyperband's final value
  gap      (final - best) / (median - best) of the draw's final values, at most 1
  found    P and gap of the best plain ladder found on half of the draws of the table itself, at no
           more mean epochs, on the other half; draws that only the method or the ladder won there
Standard errors and tests are given where the draws have enough different best trainings.

  scale=full             tiny: made-up tables and few draws, in seconds
  curves=data/curves     folder of the tables            tables=FILE.yaml   which tables
  methods=[asha,...]     of hpo/simulate/methods.yaml and peers.yaml; default: those of
                         docs/results/policies.md, but two slow ones only where they are done
  methods_file=MINE.yaml more methods, in the same form
  draws=100 first=100    draws of each table, and the number of the first
  pool_size=N            trainings of a draw, at most half of the table
  workers=[1,8]          numbers of workers; synchronous methods have none
  sweeps=20              seeds of sweeps with a sampler of 8 workers, until a trial has finished
                         within the tolerance of the table's best; 0: none
  budget=20              full trainings' epochs after which such a sweep ends
  resume_epochs=0.5      what a resumption costs; it is charged to each method and to Hyperband
  queue_epochs=0         until the job of a worker starts, in epochs; only durations change
  ladders=3000           random ladders tried on each table
  cap=0.48               largest mean share in the choice of a method with one family left out
  simulate=true          false: compare the rows that are done
  n_jobs=N               processes; default: one per core
  out=benchmarks/results/policies.json

A row that is done with the same settings and the same policies is not done again: after an
interruption or a new method, the same command does what is missing. Pictures are beside the JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna

import hpo.simulate
from benchmarks.record import make_record
from benchmarks.reproduce.policies import show
from benchmarks.reproduce.policies.draws import make_draws
from benchmarks.reproduce.policies.found import find_all
from benchmarks.reproduce.policies.problems import (
    Problem,
    made_up,
    read_problems,
    read_sources,
)
from benchmarks.reproduce.policies.rows import DEPENDS, Job, Store, simulate_missing
from commons.cli import UsageError, choose, run_command
from commons.console import Console
from hpo.simulate.campaign import Plan
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.draws import Variant
from hpo.simulate.methods import Method, missing_package, read_methods

_HERE = Path(__file__).parent
_METHODS = Path(hpo.simulate.__path__[0]) / "methods.yaml"
_SAMPLER_WORKERS = 8
_COMPARED = (
    *("hyperband", "random", "sha", "ladder", "asha", "asha_promotion", "svr", "freeze_thaw_last"),
    *("asha_published", "asha_optuna", "promotion_published", "optuna_hyperband", "optuna_median"),
    *("optuna_wilcoxon", "syne_stopping", "syne_promotion", "best", "random_ladder", "asha_bo"),
    *("asha_bo_before", "random_asha", "random_promotion_published", "tpe_hyperband"),
)
_SLOW = {"asha_bo_before", "optuna_wilcoxon"}  # hours for a long table
_TINY: dict[str, Any] = {"draws": 12, "ladders": 100, "sweeps": 2}
_TINY_METHODS = ["hyperband", "sha", "asha", "asha_promotion", "svr", "random_asha"]
_AT_LEAST = {"draws": 2, **dict.fromkeys(("ladders", "budget", "pool_size", "n_jobs"), 1)}
_AT_LEAST |= dict.fromkeys(("sweeps", "first", "resume_epochs", "queue_epochs", "cap"), 0)


@dataclass
class Settings:
    """See the help of the command."""

    scale: str = "full"
    curves: Path = Path("data/curves")
    tables: Path = _HERE / "tables.yaml"
    methods: list[str] | None = None
    methods_file: Path | None = None
    draws: int | None = None
    first: int = 100
    pool_size: int | None = None
    workers: list[int] = field(default_factory=lambda: [1])
    sweeps: int | None = None
    budget: float = 20.0
    resume_epochs: float = 0.5
    queue_epochs: float = 0.0
    ladders: int | None = None
    cap: float = 0.48
    simulate: bool = True
    n_jobs: int | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        """Fill what depends on the scale, and check the ranges."""
        choose("scale", self.scale, ("full", "tiny"))
        tiny = self.scale == "tiny"
        usual = _TINY if tiny else {"draws": 100, "ladders": 3000, "sweeps": 20}
        for key, value in usual.items():
            if getattr(self, key) is None:
                setattr(self, key, value)
        self.methods = self.methods or (_TINY_METHODS if tiny else None)
        self.out = self.out or Path(
            "outputs/policies.json" if tiny else "benchmarks/results/policies.json"
        )
        for key, low in _AT_LEAST.items():
            value = getattr(self, key)
            if value is not None and not value >= low:
                raise UsageError(f"{key}={value}: must be at least {low}")
        if not self.workers or min(self.workers) < 1:
            raise UsageError(f"workers={self.workers}: expected numbers of at least 1")

    @property
    def numbers(self) -> range:
        """The numbers of the draws."""
        assert self.draws is not None
        return range(self.first, self.first + self.draws)


def main(arguments: list[str]) -> int:
    """Compare the methods; see the module's text."""
    return run_command(_compare, Settings, arguments or ["scale=full"], __doc__)


def _compare(settings: Settings) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console(width=None if sys.stdout.isatty() else 170)
    assert settings.out is not None
    assert settings.ladders is not None
    problems = _problems(settings, console)
    variant = Variant(pool_size=settings.pool_size)
    draws = {p.name: make_draws(p.table, settings.numbers, variant) for p in problems}
    store, methods = Store(settings.out), _methods(settings)
    jobs = [job for p in problems for job in make_jobs(settings, p, methods)]
    if settings.simulate:
        jobs = _possible(settings, jobs, store, console)
        simulate_missing(jobs, store, settings.n_jobs)
    rows = [row for job in jobs if (row := store.get(job)) is not None]
    tolerances = {problem.name: problem.tolerance for problem in problems}
    fronts = find_all(draws, tolerances, settings.ladders, settings.n_jobs)
    result = show.Comparison(problems, draws, fronts, rows, settings.resume_epochs)
    record = make_record("make repro-policies", DEPENDS, settings.numbers)
    store.write({**result.summary(settings.cap, asdict(settings)), "record": record})
    result.print(console, settings.cap)
    result.draw(settings.out.with_suffix(""))
    console.print(f"{settings.out}, pictures in {settings.out.with_suffix('')}")


def make_jobs(settings: Settings, problem: Problem, methods: Sequence[Method]) -> list[Job]:
    """Return the rows of a table that are asked for."""
    jobs = []
    for method in methods:
        once = [_SAMPLER_WORKERS] if method.mode == "sampler" else [1]
        workers = once if method.mode == "sampler" or method.is_reference else settings.workers
        jobs += [Job(problem, method, _plan(settings, problem, n)) for n in workers]
    return [job for job in jobs if job.plan.numbers(job.method)]


def _plan(settings: Settings, problem: Problem, n_workers: int) -> Plan:
    assert settings.sweeps is not None
    queue = Duration((settings.queue_epochs,))
    return Plan(
        table=problem.table,
        orders=settings.numbers,
        seeds=range(settings.first, settings.first + settings.sweeps),
        variant=Variant(pool_size=settings.pool_size),
        n_workers=n_workers,
        budget=settings.budget * problem.table.n_epochs,
        within=(problem.tolerance,),
        start_epochs=0.0,
        resume_epochs=settings.resume_epochs,
        cluster=Cluster(queue_s=queue, requeue_s=queue, resume_s=settings.resume_epochs),
    )


def _problems(settings: Settings, console: Console) -> list[Problem]:
    if settings.scale == "tiny":
        return made_up()
    sources = read_sources(settings.tables)
    there = {n: s for n, s in sources.items() if (settings.curves / s.file).exists()}
    for name in sources.keys() - there:
        console.print(f"left out: {name} (no {settings.curves / sources[name].file})")
    if not there:
        raise UsageError(f"curves={settings.curves}: none of the tables is there (make curves)")
    return list(read_problems(there, settings.curves))


def _methods(settings: Settings) -> list[Method]:
    known = read_methods(_METHODS) | read_methods(_HERE / "peers.yaml")
    if settings.methods_file is not None:
        known |= read_methods(settings.methods_file)
    for name in settings.methods or ():
        choose("methods", name, known)
    return [known[name] for name in settings.methods or _COMPARED]


def _possible(
    settings: Settings, jobs: Sequence[Job], store: Store, console: Console
) -> list[Job]:
    """Return the jobs that are done, or that are quick and whose packages are installed."""
    if settings.methods is None:
        jobs = [j for j in jobs if j.method.name not in _SLOW or store.get(j) is not None]
    open_methods = {job.method.name: job.method for job in jobs if store.get(job) is None}
    values = {"epochs": 10, "seed": 0, "n_workers": 1}
    lacking = {name: missing_package(method, values) for name, method in open_methods.items()}
    for name, package in lacking.items():
        if package is not None and settings.methods is not None:
            raise UsageError(f"methods={name}: needs {package}, which is not installed")
        if package is not None:
            console.print(f"left out: {name} (needs {package})")
    return [job for job in jobs if lacking.get(job.method.name) is None]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
