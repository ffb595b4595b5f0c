"""Parquet files of events: Pythia, pile-up and the simulated detector on all cores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from commons.pools import advance, run_tasks
from mlpf.data.events import concatenate
from mlpf.data.files import write_events
from mlpf.generation.describe import describe
from mlpf.generation.particle_flow import simulate_event
from mlpf.generation.pileup import Pool, join, mix
from mlpf.generation.processes import MINIMUM_BIAS
from mlpf.generation.production import (
    EventFile,
    independent_seeds,
    portions,
)
from mlpf.generation.pythia import make_events, make_tables
from mlpf.schema import SPLITS

_POOL_TASK: Final = 500  # pool events per task


def make_files(files: Sequence[EventFile], n_processes: int | None) -> tuple[float, float]:
    """Make files of one source, at least one, on several cores.

    Returns:
        CPU milliseconds per event spent in Pythia, and in mixing and simulating.
    """
    _prepare(files, n_processes)
    total = sum(file.n_events for file in files)
    costs = run_tasks(
        _make_file, files, n_steps=total, description="events", n_processes=n_processes
    )
    pythia_s, simulation_s = np.sum(costs, axis=0)
    return 1000 * pythia_s / total, 1000 * simulation_s / total


def _prepare(files: Sequence[EventFile], n_processes: int | None) -> None:
    """Make Pythia's tables and the pile-up pools that the files need."""
    first = files[0]
    make_tables(first.settings.process, first.cache)
    if first.settings.pileup == 0:
        return
    missing = {file.pool_path: file for file in files if not file.pool_path.is_file()}
    if missing:
        seeds = [file.pool_seed for file in missing.values()]
        pools = make_pools(first.settings.n_minbias, seeds, first.cache, n_processes)
        for path, pool in zip(missing, pools, strict=True):
            pool.save(path)


def _make_file(file: EventFile) -> tuple[float, float]:
    """Make one file, whose tables and pools exist; return its CPU seconds as `make_files` does."""
    pythia_seed, rng = file.seeds
    settings = file.settings
    pool = Pool.load(file.pool_path) if settings.pileup else None
    pythia_s, simulation_s = 0.0, 0.0
    simulated = []
    clock = time.process_time()
    for batch in make_events(settings.process, file.n_events, pythia_seed, file.cache):
        pythia_s += time.process_time() - clock
        clock = time.process_time()
        seen = batch.seen()
        for i in range(len(batch)):
            crossing = mix(seen.event(i), pool, settings.pileup, rng)
            event, share = simulate_event(crossing, rng, count_once=settings.count_once)
            known = describe(batch.event(i), crossing, share)
            simulated.append(replace(event, generator=known))
            advance()
        simulation_s += time.process_time() - clock
        clock = time.process_time()
    write_events(concatenate(simulated), file.path, file.provenance())
    return pythia_s, simulation_s


def make_pools(
    n_events: int, seeds: Sequence[tuple[int, int]], cache: Path, n_processes: int | None
) -> list[Pool]:
    """Return one pool of `n_events` minimum-bias events for each of `seeds`, at least 0.

    Pythia's tables are made in the folder `cache` if they are missing.
    """
    make_tables(MINIMUM_BIAS, cache)
    sizes = portions(n_events, _POOL_TASK)
    tasks = [
        (n, independent_seeds(seed, len(SPLITS), purpose, part)[0], cache)
        for seed, purpose in seeds
        for part, n in enumerate(sizes)
    ]
    total = n_events * len(seeds)
    parts = run_tasks(
        _make_pool_part, tasks, n_steps=total, description="pile-up pool", n_processes=n_processes
    )
    starts = range(0, len(parts), len(sizes))
    return [join(parts[start : start + len(sizes)]) for start in starts]


def _make_pool_part(task: tuple[int, int, Path]) -> Pool:
    n_events, pythia_seed, cache = task
    batches = []
    for batch in make_events(MINIMUM_BIAS, n_events, pythia_seed, cache):
        batches.append(batch.seen())
        advance(len(batch))
    return join(batches)
