"""All fits of the benchmark, distributed over processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from commons.pools import advance, run_tasks
from qsvr.annealing.qpu import TOKEN
from qsvr.benchmark.curves import LearningCurves
from qsvr.benchmark.models import CLASSICAL, LIVE, SIMULATED, Fit, Model, evaluate
from qsvr.benchmark.protocols import Space, Splitter, TrainingSpace, grouped_few, grouped_most

FRACTIONS = (0.5, 0.25, 0.1, 0.05, 0.02)
DETAILED_FRACTION = 0.25  # of which all figures are shown, and at which a real annealer is tried
CHUNK, N_LIVE = 10, 10  # splits of one job, and on a real annealer


@dataclass(frozen=True)
class Part:
    """Splits of one kind and the models that are fitted to them."""

    space: type[Space]
    splitter: Splitter
    models: tuple[Model, ...]  # that get a row
    paired: tuple[Model, ...] = ()  # that are fitted only to be compared with
    n_splits: int = 1  # multiple of the benchmark's number of splits


PARTS = (
    Part(TrainingSpace, grouped_few, (CLASSICAL, SIMULATED)),
    Part(TrainingSpace, grouped_most, (CLASSICAL,)),
)
LIVE_PART = Part(TrainingSpace, grouped_few, (LIVE,), paired=(CLASSICAL,))


@dataclass(frozen=True)
class Job:
    """Some splits of one part at one fraction of the curve."""

    part: Part
    fraction: float
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Fits:
    """Fits to splits of one kind at one fraction of the curve."""

    fraction: float
    n_train: int  # rows of a split, the fewest of all
    by_model: Mapping[str, Sequence[Fit]]  # in the order of the splits


def distinct_fractions(curves: LearningCurves) -> list[float]:
    """Return the FRACTIONS that are different numbers of epochs, descending.

    10, 5 and 2 % of 12 epochs are one epoch, which is asked for once.
    """
    by_epochs: dict[int, float] = {}
    for fraction in (DETAILED_FRACTION, *FRACTIONS):
        by_epochs.setdefault(curves.n_known(fraction), fraction)
    return sorted(by_epochs.values(), reverse=True)


def plan(parts: Sequence[Part], fractions: Sequence[float], n_splits: int, seed: int) -> list[Job]:
    """Return the jobs of all parts; split number i of each has the random state seed + i."""
    jobs = []
    for part, fraction in product(parts, fractions):
        seeds = range(seed, seed + n_splits * part.n_splits)
        chunks = [tuple(seeds[i : i + CHUNK]) for i in range(0, len(seeds), CHUNK)]
        jobs += [Job(part, fraction, chunk) for chunk in chunks]
    return jobs


def live_jobs(part: Part, seed: int) -> list[Job]:
    """Return the job of a real annealer if there is a token for one: ten splits at 25 %."""
    if not os.environ.get(TOKEN):
        return []
    return [Job(part, DETAILED_FRACTION, tuple(range(seed, seed + N_LIVE)))]


def run(curves: LearningCurves, jobs: Sequence[Job], n_jobs: int) -> list[tuple[Part, Fits]]:
    """Return the fits of each part and fraction; `n_jobs` processes of one thread each work."""
    results = run_tasks(
        partial(_run_job, curves),
        jobs,
        n_steps=sum(len(job.seeds) for job in jobs),
        description="fits",
        n_processes=n_jobs,
    )
    done: dict[tuple[Part, float], list[tuple[int, dict[str, Fit]]]] = {}
    for job, fits in zip(jobs, results, strict=True):
        done.setdefault((job.part, job.fraction), []).extend(fits)
    return [(part, _gathered(fraction, fits)) for (part, fraction), fits in done.items()]


def _run_job(curves: LearningCurves, job: Job) -> list[tuple[int, dict[str, Fit]]]:
    """The number of training rows and the fits of all models, for each split."""
    part, space = job.part, job.part.space(curves, curves.n_known(job.fraction))
    fits = []
    for seed in job.seeds:
        train, test = part.splitter(curves, seed)
        models = evaluate(space.fold((train, test)), (*part.models, *part.paired), seed)
        fits.append((len(train), models))
        advance()
    return fits


def _gathered(fraction: float, fits: Sequence[tuple[int, dict[str, Fit]]]) -> Fits:
    by_model = {name: [models[name] for _, models in fits] for name in fits[0][1]}
    return Fits(fraction, min(n_train for n_train, _ in fits), by_model)
