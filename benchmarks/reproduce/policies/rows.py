"""Rows of results: one per table, method and number of workers, simulated once and kept."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna

from benchmarks.depends import HALVING
from benchmarks.record import hashes
from benchmarks.reproduce.depends import SIMULATED
from benchmarks.reproduce.policies.problems import Problem
from commons.files import replacing
from commons.pools import advance, run_tasks
from hpo.curves import CurveTable, Floats
from hpo.simulate.campaign import Outcome, Plan, simulate
from hpo.simulate.methods import Method

_REFERENCES = (*SIMULATED, *(f"hpo.simulate.{n}" for n in ("campaign", "draws", "synchronous")))
DEPENDS: Final = (  # the code of a row, as `benchmarks.record` has it
    *_REFERENCES,
    *HALVING,
    "commons.unit_cube",
    "hpo.search",
    "qsvr.forecasting",
    "qsvr.pruners",
)
_BATCH = 5  # sweeps that a process gets at once


@dataclass(frozen=True)
class Job:
    """A method on a table: a row when it is done."""

    problem: Problem
    method: Method
    plan: Plan

    @property
    def name(self) -> tuple[str, str, int]:
        """Table, method and workers."""
        workers = 1 if self.method.is_reference else self.plan.workers(self.method)
        return self.problem.name, self.method.name, workers

    @property
    def key(self) -> str:
        """Stands for all that the row depends on, except versions of other packages."""
        plan, table = self.plan, self.problem.table
        if self.method.mode == "sampler":
            matters = [plan.seeds, plan.budget, plan.within]
        else:
            matters = [plan.orders, plan.variant]
        matters += [plan.cluster, plan.start_epochs, plan.resume_epochs]
        curves = [table.names, table.direction, _digest(table)]
        content = [self.name, curves, matters, self.method.node, _code(self.method.is_reference)]
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Row:
    """The sweeps of a method on a table, in the order of their numbers.

    Attributes:
        key: of the job.
        epochs: of all workers; with a sampler until the tolerance was reached, None: never.
        finals: best final losses; None: no trial finished.
        n_resumed: times a paused trial went on.
        duration: from the begin to the end in epochs; None: not simulated in time.
    """

    table: str
    method: str
    workers: int
    mode: str
    key: str
    epochs: list[int | None]
    finals: list[float | None]
    n_started: list[int]
    n_resumed: list[int]
    duration: list[float] | None
    node: dict[str, Any]
    versions: dict[str, str]

    @property
    def name(self) -> tuple[str, str, int]:
        """Table, method and workers."""
        return self.table, self.method, self.workers

    @property
    def losses(self) -> Floats:
        """The best final losses, inf where there is none."""
        return np.array([np.inf if f is None else f for f in self.finals])

    def cost(self, resume_epochs: float) -> Floats:
        """Return the epochs and a charge for each time that a trial went on."""
        return np.array(self.epochs, dtype=float) + resume_epochs * np.array(self.n_resumed)


class Store:
    """The rows that are done, in a JSON file with a line for each.

    Args:
        path: made if needed.

    Raises:
        ValueError: the file is none of these.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}
        if path.exists():
            try:
                rows = [Row(**row) for row in json.loads(path.read_text())["rows"]]
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path}: no results of this command") from error
            self._rows = {row.key: row for row in rows}

    def get(self, job: Job) -> Row | None:
        """Return the row of a job, None: it is still to be done."""
        return self._rows.get(job.key)

    def add(self, row: Row) -> None:
        """Keep a row in place of an older one of the same name."""
        self._rows = {k: r for k, r in self._rows.items() if r.name != row.name}
        self._rows[row.key] = row
        self.write({})

    def write(self, summary: dict[str, Any]) -> None:
        """Write the file, with what follows from the rows."""
        rows = sorted(self._rows.values(), key=lambda row: row.name)
        parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in summary.items()]
        text = ",\n".join([*parts, f'"rows": {_lines([asdict(row) for row in rows])}'])
        with replacing(self._path) as partial:
            partial.write_text(f"{{\n{text}\n}}\n")


def simulate_missing(jobs: Sequence[Job], store: Store, n_jobs: int | None) -> None:
    """Simulate the jobs without a row; each row is kept as soon as it is complete."""
    missing = [job for job in jobs if store.get(job) is None]
    batches = [(job, numbers) for job in missing for numbers in _batches(job)]
    waiting: dict[str, dict[int, list[Outcome]]] = {job.key: {} for job in missing}

    def collect(place: int, outcomes: list[Outcome]) -> None:
        job = batches[place][0]
        done = waiting[job.key]
        done[place] = outcomes
        if len(done) == len(_batches(job)):
            store.add(_row(job, [o for _, part in sorted(done.items()) for o in part]))

    run_tasks(
        _simulate,
        batches,
        n_steps=sum(len(numbers) for _, numbers in batches),
        description="sweeps",
        n_processes=n_jobs,
        on_result=collect,
    )


def _lines(value: Any) -> str:
    """Return JSON with a line for each item of a list or a mapping."""
    if isinstance(value, list):
        items, ends = [json.dumps(item, allow_nan=False) for item in value], "[]"
    else:
        named = value.items()
        items, ends = (
            [f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in named],
            "{}",
        )
    return "\n".join([ends[0], ",\n".join(items), ends[1]]) if items else ends


def _batches(job: Job) -> list[range]:
    numbers = job.plan.numbers(job.method)
    return [numbers[i : i + _BATCH] for i in range(0, len(numbers), _BATCH)]


def _simulate(task: tuple[Job, range]) -> list[Outcome]:
    job, numbers = task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    outcomes = []
    for number in numbers:
        outcomes.append(simulate(job.plan, job.method, number))
        advance()
    return outcomes


def _row(job: Job, outcomes: Sequence[Outcome]) -> Row:
    runs = [outcome.run for outcome in outcomes]
    lines = [run.timeline for run in runs]
    spent = [run.spent.epochs for run in runs]
    found = [o.run.spent_to(o.reference + job.problem.tolerance) for o in outcomes]
    sampled = job.method.mode == "sampler"
    return Row(
        *job.name,
        job.method.mode,
        job.key,
        [None if s is None else s.epochs for s in found] if sampled else [*spent],
        [run.final if np.isfinite(run.final) else None for run in runs],
        [run.spent.n_started for run in runs],
        [run.spent.n_resumed for run in runs],
        None if None in lines else [line.wall_s for line in lines if line is not None],
        job.method.node,
        {name: version(name) for name in ("numpy", "optuna", *_others(job.method))},
    )


def _digest(table: CurveTable) -> str:
    return hashlib.sha256(table.curves.tobytes() + table.hyperparameters.tobytes()).hexdigest()


def _others(method: Method) -> Iterable[str]:
    return ["syne-tune"] if "syne" in method.name else []


@cache
def _code(is_reference: bool) -> tuple[str, ...]:
    """Return the hashes of the simulator and, but for a reference, of the policies."""
    return tuple(hashes(_REFERENCES if is_reference else DEPENDS).values())
