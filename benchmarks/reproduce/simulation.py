"""Our detector simulation against real Delphes events (`make check-simulation`).

    python -m benchmarks.reproduce.simulation [delphes=DIR] [cache=DIR] [out=FILE]

It is known with which seed of Pythia the hard collisions of the reference were made, so the very
same collisions go through our simulation, several times over, with pile-up from pools of our own.
Labels are compared as published, not as corrected. Writes the table as JSON and fails if a
quantity whose statistical error is below its bound lies outside of it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.record import write_result
from benchmarks.reproduce.comparison import Row, compare, markdown
from benchmarks.reproduce.depends import EVENTS
from commons.cli import UsageError, run_command
from commons.pools import advance, run_tasks
from mlpf import __version__
from mlpf.data.events import Events, concatenate
from mlpf.delphes.published import read_published
from mlpf.generation.generate import make_pools
from mlpf.generation.particle_flow import simulate_event
from mlpf.generation.pileup import Pool, join, mix
from mlpf.generation.processes import choose
from mlpf.generation.production import pythia_version
from mlpf.generation.pythia import make_events

_DEPENDS = (
    "benchmarks.reproduce.comparison",
    "benchmarks.reproduce.simulation",
    "mlpf.delphes.published",
    *EVENTS,
)

POOL_SIZE: Final = 10_000
_EVENTS_PER_TASK = 50


@dataclass(frozen=True)
class Reference:
    """One file of real Delphes events.

    Args:
        name: of the file.
        pileup: mean number of pile-up interactions.
        pythia_seed: of its hard collisions.
        pool: number of the pile-up pool; files of the reference that share theirs share ours.
        repeats: how often each collision goes through our simulation.
    """

    name: str
    pileup: int
    pythia_seed: int
    pool: int
    repeats: int


REFERENCES: Final = (
    Reference("tev14_pythia8_ttbar_pu0_0.pkl.bz2", 0, 1004, pool=0, repeats=4),
    Reference("tev14_pythia8_ttbar_pu20_0.pkl.bz2", 20, 1003, pool=1, repeats=2),
    Reference("tev14_pythia8_ttbar_pu200_0.pkl.bz2", 200, 1001, pool=0, repeats=3),
    Reference("tev14_pythia8_ttbar_pu200_1.pkl.bz2", 200, 1002, pool=1, repeats=3),
)


@dataclass(frozen=True)
class Task:
    """Collisions to simulate."""

    hard: Pool
    pileup: int
    pool: Path
    seed: tuple[int, ...]


def simulate(task: Task) -> tuple[Events, float]:
    """Return the events of a task, labelled as published, and the CPU seconds that they took."""
    pool = Pool.load(task.pool) if task.pileup else None
    rng = np.random.default_rng(task.seed)
    start = time.process_time()
    events = []
    for i in range(len(task.hard)):
        crossing = mix(task.hard.event(i), pool, task.pileup, rng)
        event, _ = simulate_event(crossing, rng, count_once=False)
        events.append(event)
        advance()
    return concatenate(events), time.process_time() - start


def hard_collisions(request: tuple[int, int]) -> Pool:
    """Return tt-bar collisions, `request` being (number, seed of Pythia).

    Pythia makes its start tables afresh: only then do the random numbers follow as in the
    reference.
    """
    n_events, seed = request
    with tempfile.TemporaryDirectory() as empty:
        events = join(list(make_events(choose("ttbar"), n_events, seed, Path(empty))))
    advance(n_events)
    return events.seen()


def tasks_for(reference: Reference, hard: Pool, cache: Path) -> list[Task]:
    """Cut the repeated simulation of some collisions into tasks, repetitions one by one."""
    return [
        Task(
            hard.part(start, min(start + _EVENTS_PER_TASK, len(hard))),
            reference.pileup,
            pool_path(reference.pool, cache),
            (reference.pythia_seed, repeat, start),
        )
        for repeat in range(reference.repeats)
        for start in range(0, len(hard), _EVENTS_PER_TASK)
    ]


def pool_path(number: int, cache: Path) -> Path:
    """Return the file of a pile-up pool."""
    return cache / f"pool-{number}-{POOL_SIZE}.npz"


def pool_errors(cache: Path) -> dict[int, float]:
    """Return the relative error of multiplicities from finite pools, for each pile-up.

    That of a pool is the spread of the size of its events over the square root of their number;
    the pools of the reference have the same size as ours.
    """
    sizes = np.diff(Pool.load(pool_path(0, cache)).offsets)
    one_pool = float(np.std(sizes) / np.mean(sizes)) / np.sqrt(POOL_SIZE)
    pools: dict[int, set[int]] = {}
    for reference in REFERENCES:
        pools.setdefault(reference.pileup, set()).add(reference.pool)
    both_samples = np.sqrt(2)
    return {
        pileup: both_samples * one_pool / np.sqrt(len(numbers)) if pileup else 0.0
        for pileup, numbers in pools.items()
    }


def check(delphes: Path, cache: Path) -> dict[str, Any]:
    """Make our events, compare, and return the result."""
    published = [read_published(delphes / reference.name) for reference in REFERENCES]
    numbers = sorted({reference.pool for reference in REFERENCES})
    missing = [n for n in numbers if not pool_path(n, cache).is_file()]
    if missing:
        pools = make_pools(POOL_SIZE, [(0, n) for n in missing], cache, n_processes=None)
        for number, pool in zip(missing, pools, strict=True):
            pool.save(pool_path(number, cache))
    requests = [
        (len(events), reference.pythia_seed)
        for events, reference in zip(published, REFERENCES, strict=True)
    ]
    n_hard = sum(n for n, _ in requests)
    hard = run_tasks(hard_collisions, requests, n_steps=n_hard, description="hard collisions")
    ours, cost = zip(
        *(_simulated(ref, pool, cache) for ref, pool in zip(REFERENCES, hard, strict=True)),
        strict=True,
    )
    errors = pool_errors(cache)
    rows: list[Row] = []
    for pileup in errors:
        mine = [i for i, reference in enumerate(REFERENCES) if reference.pileup == pileup]
        # repetitions of both files one by one, so that our events pair with the reference
        theirs = concatenate([published[i] for i in mine])
        rows += compare(
            pileup, _interleaved([ours[i] for i in mine], mine), theirs, errors[pileup]
        )
    return {
        "rows": [row.as_dict() for row in rows],
        "cpu_ms_per_event": _cpu_ms(ours, cost),
        "events": {
            reference.name: {"reference": len(a), "ours": len(b)}
            for reference, a, b in zip(REFERENCES, published, ours, strict=True)
        },
        "pool_size": POOL_SIZE,
        "generator": pythia_version(),
        "package": f"mlpf {__version__}",
    }


def _simulated(reference: Reference, hard: Pool, cache: Path) -> tuple[Events, float]:
    tasks = tasks_for(reference, hard, cache)
    n_events = len(hard) * reference.repeats
    description = f"pile-up {reference.pileup}"
    results = run_tasks(simulate, tasks, n_steps=n_events, description=description)
    parts, cpu_s = zip(*results, strict=True)
    return concatenate(parts), sum(cpu_s)


def _interleaved(parts: Sequence[Events], which: Sequence[int]) -> Events:
    """Join files so that each repetition runs through all of them, as the reference does."""
    repeats = REFERENCES[which[0]].repeats
    pieces = []
    for repeat in range(repeats):
        for part in parts:
            n = len(part) // repeats
            pieces.append(part.take(np.arange(repeat * n, (repeat + 1) * n)))
    return concatenate(pieces)


def _cpu_ms(ours: Sequence[Events], cost: Sequence[float]) -> dict[int, float]:
    seconds: dict[int, float] = {}
    events: dict[int, int] = {}
    for reference, part, cpu_s in zip(REFERENCES, ours, cost, strict=True):
        seconds[reference.pileup] = seconds.get(reference.pileup, 0.0) + cpu_s
        events[reference.pileup] = events.get(reference.pileup, 0) + len(part)
    return {pileup: round(1000 * seconds[pileup] / n, 2) for pileup, n in events.items()}


@dataclass
class Settings:
    """Arguments of the command: folders, and the file to write."""

    delphes: str = "../shared/data/delphes"
    cache: str = "data/check_simulation"
    out: str = "benchmarks/results/check_simulation.json"


def main(arguments: list[str]) -> int:
    """Run the check and return the exit code."""
    return run_command(_check, Settings, arguments, __doc__)


def _check(cfg: Settings) -> int:
    missing = [r.name for r in REFERENCES if not (Path(cfg.delphes) / r.name).is_file()]
    if missing:
        raise UsageError(f"delphes={cfg.delphes}: no {missing[0]} there")
    result = check(Path(cfg.delphes), Path(cfg.cache))
    out = Path(cfg.out)
    write_result(out, result, command="make check-simulation", depends=_DEPENDS)
    print(markdown(result["rows"]))
    print(f"CPU ms per event, pile-up and detector: {result['cpu_ms_per_event']}")
    missed = [row for row in result["rows"] if row["verdict"] == "MISS"]
    print(f"{len(result['rows'])} quantities, {len(missed)} outside of their bound; {out}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
