"""All fits of the benchmark, shared out to processes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from joblib import Parallel, delayed, parallel_config

from qsvr.annealing.qpu import TOKEN
from qsvr.benchmark.curves import LearningCurves
from qsvr.benchmark.models import UNTRAINED, Score, evaluate
from qsvr.benchmark.protocols import (
    CorrectedSpace,
    PublishedSpace,
    Splitter,
    few_of_pool,
    first_few,
    grouped_few,
    grouped_most,
    most,
)
from qsvr.benchmark.rows import PUBLISHED, Row, make_row

FRACTIONS = (0.5, 0.25, 0.1, 0.05, 0.02)
SLIDE_FRACTION = 0.25  # of the published table
CHUNK = 10  # splits of one job

PUBLISHED_MODELS = ("SVR, published", "Sim-QSVR, published")
ANNEALED = {"Sim-QSVR, published": "SVR, published", "Sim-QSVR": "SVR", "QSVR, live QPU": "SVR"}


@dataclass(frozen=True)
class Part:
    """Splits of one kind and the models that are fitted to them.

    Attributes:
        space: scales of features and target.
        splitter: training and test rows of a seed.
        models: names of `MODELS`.
        reported: (protocol, model) of the rows that come out of it.
        n_splits: multiple of the benchmark's number of splits.
    """

    space: type[PublishedSpace] | type[CorrectedSpace]
    splitter: Splitter
    models: tuple[str, ...]
    reported: tuple[tuple[str, str], ...]
    n_splits: int = 1


def _all(protocol: str, models: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((protocol, model) for model in models)


OURS = ("SVR", "Sim-QSVR")
FEW = (*PUBLISHED_MODELS, *OURS)
PARTS = (
    Part(PublishedSpace, first_few, FEW[:1], _all("published", FEW[:1]), n_splits=10),
    Part(PublishedSpace, few_of_pool, FEW, (("published", FEW[1]), *_all("quantile", FEW))),
    Part(PublishedSpace, most, OURS[:1], _all("quantile", OURS[:1])),
    Part(CorrectedSpace, grouped_few, FEW, _all("corrected", FEW)),
    Part(CorrectedSpace, grouped_most, OURS[:1], _all("corrected", OURS[:1])),
)
LIVE = Part(
    PublishedSpace, few_of_pool, ("SVR", "QSVR, live QPU"), (("quantile", "QSVR, live QPU"),)
)


@dataclass(frozen=True)
class Job:
    """Some splits of one part at one fraction of the curve."""

    part: Part
    fraction: float
    seeds: tuple[int, ...]


Scores = dict[str, list[Score]]


def plan(n_splits: int, seed: int) -> list[Job]:
    """Return the jobs of all parts; split number i of each has the random state seed + i."""
    jobs = []
    for part, fraction in product(PARTS, FRACTIONS):
        seeds = range(seed, seed + n_splits * part.n_splits)
        chunks = [tuple(seeds[i : i + CHUNK]) for i in range(0, len(seeds), CHUNK)]
        jobs += [Job(part, fraction, chunk) for chunk in chunks]
    return jobs


def run_job(curves: LearningCurves, job: Job) -> tuple[int, Scores]:
    """Return the fewest training rows of the job's splits, and the scores by model."""
    space = job.part.space(curves, curves.n_known(job.fraction))
    scores: Scores = {name: [] for name in (UNTRAINED, *job.part.models)}
    sizes = []
    for seed in job.seeds:
        split = job.part.splitter(curves, seed)
        sizes.append(len(split[0]))
        for name, score in evaluate(space.fold(split), job.part.models, seed).items():
            scores[name].append(score)
    return min(sizes), scores


def run(
    curves: LearningCurves, jobs: Sequence[Job], n_jobs: int, done: Callable[[Job], None]
) -> list[tuple[int, Scores]]:
    """Run jobs in `n_jobs` processes of one thread each; call `done` after each, in order."""
    threads = {} if n_jobs == 1 else {"inner_max_num_threads": 1}
    results = []
    with parallel_config("loky", n_jobs=n_jobs, **threads):
        pending = Parallel(return_as="generator")(delayed(run_job)(curves, job) for job in jobs)
        for job, result in zip(jobs, pending, strict=True):
            results.append(result)
            done(job)
    return results


def rows_of(
    jobs: Sequence[Job], results: Sequence[tuple[int, Scores]], *, published: bool
) -> list[Row]:
    """Put the chunks together and summarise them.

    Args:
        jobs: of `plan`.
        results: of `run`, in the same order.
        published: whether the table is that of the published figures.
    """
    together: dict[tuple[Part, float], tuple[list[int], Scores]] = {}
    for job, (size, scores) in zip(jobs, results, strict=True):
        sizes, lists = together.setdefault((job.part, job.fraction), ([], defaultdict(list)))
        sizes.append(size)
        for name, values in scores.items():
            lists[name] += values
    rows = []
    for (part, fraction), (sizes, lists) in together.items():
        for protocol, model in part.reported:
            shown = published and protocol == "published" and fraction == SLIDE_FRACTION
            rows.append(
                make_row(
                    model,
                    protocol,
                    fraction,
                    min(sizes),
                    lists[model],
                    lists[UNTRAINED],
                    lists[ANNEALED[model]] if model in ANNEALED else None,
                    PUBLISHED[model] if shown else None,
                )
            )
    return rows


def live_jobs(seed: int) -> list[Job]:
    """Return the job of a real annealer if there is a token for one: ten splits at 25 %."""
    if not os.environ.get(TOKEN):
        return []
    return [Job(LIVE, SLIDE_FRACTION, tuple(range(seed, seed + 10)))]
