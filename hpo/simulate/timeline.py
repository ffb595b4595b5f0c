"""A simulated sweep against time: its best value, its worker-hours, its utilization.

Intervals have shape (n, 2): begin and end in seconds from the start of the sweep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]
N_PARTS = 50


@dataclass
class Recorder:
    """What workers did, in intervals of seconds; those of a worker count for each of its GPUs.

    Attributes:
        present: from the start of a worker's job to its end.
        queued: from the submission of a worker's job to its start.
        trained: epochs whose value was reported.
        lost: epochs that ended in a failure or a preemption before their value was reported.
        unfinished: epochs that the end of the sweep cut.
        results: when a trial was complete, and its loss (small is good).
        n_failed: trials that failed.
        n_preempted: how often a worker was preempted.
    """

    present: list[Interval] = field(default_factory=list)
    queued: list[Interval] = field(default_factory=list)
    trained: list[Interval] = field(default_factory=list)
    lost: list[Interval] = field(default_factory=list)
    unfinished: list[Interval] = field(default_factory=list)
    results: list[tuple[float, float]] = field(default_factory=list)
    n_failed: int = 0
    n_preempted: int = 0


@dataclass(frozen=True)
class Timeline:
    """A sweep against time.

    Attributes:
        wall_s: from the submission of the workers to the end of the sweep.
        best: each time the best loss (small is good) fell: seconds of wall-clock, seconds of all
            workers present until then, the loss.
        worker_s: seconds of all workers, or of their GPUs, by what they did: `present` is the sum
            of `trained`, `lost`, `unfinished` and `other` (start-up of workers and trials, loading
            of checkpoints); `queued` is beside it.
        busy: share of the workers, or GPUs, asked for that trained, in each of 50 equal parts of
            `wall_s`.
        n_failed: trials that failed.
        n_preempted: how often a worker was preempted.
    """

    wall_s: float
    best: tuple[tuple[float, float, float], ...]
    worker_s: dict[str, float]
    busy: tuple[float, ...]
    n_failed: int = 0
    n_preempted: int = 0

    @property
    def utilization(self) -> float:
        """Share of the time of present workers in which epochs were trained that count."""
        present = self.worker_s["present"]
        return self.worker_s["trained"] / present if present else 0.0

    def reached(self, loss: float) -> tuple[float, float] | None:
        """Return the seconds, and those of all workers, until a loss was reached; None: never."""
        return next(((wall, used) for wall, used, best in self.best if best <= loss), None)


def make_timeline(recorder: Recorder, n_workers: int, wall_s: float) -> Timeline:
    """Return what was recorded of a sweep of `n_workers` that took `wall_s`."""
    kinds = ("present", "trained", "lost", "unfinished", "queued")
    seconds = {kind: _total(getattr(recorder, kind), wall_s) for kind in kinds}
    counted = seconds["trained"] + seconds["lost"] + seconds["unfinished"]
    seconds["other"] = seconds["present"] - counted
    edges = np.linspace(0.0, wall_s, N_PARTS + 1)
    trained = np.diff(spent_until(recorder.trained, edges))
    whole = n_workers * wall_s / N_PARTS
    return Timeline(
        wall_s,
        _improvements(recorder),
        seconds,
        tuple((trained / whole).tolist()) if whole else (0.0,) * N_PARTS,
        recorder.n_failed,
        recorder.n_preempted,
    )


def spent_until(intervals: Sequence[Interval], times: Floats) -> Floats:
    """Return the seconds that intervals have before each of some times.

    >>> spent_until([(0.0, 2.0), (1.0, 4.0)], np.array([1.0, 3.0, 9.0])).tolist()
    [1.0, 4.0, 5.0]
    """
    begins, ends = np.array(intervals, dtype=float).reshape(-1, 2).T
    return _since(begins, times) - _since(ends, times)


def _since(moments: Floats, times: Floats) -> Floats:
    """Return the sum of what has passed since each of some moments, at each time."""
    ordered = np.sort(moments)
    n = np.searchsorted(ordered, times)
    before: Floats = n * times - np.concatenate([[0.0], np.cumsum(ordered)])[n]
    return before


def _improvements(recorder: Recorder) -> tuple[tuple[float, float, float], ...]:
    falls, best = [], math.inf
    for at, loss in recorder.results:
        if loss < best:
            best = loss
            falls.append((at, loss))
    used = spent_until(recorder.present, np.array([at for at, _ in falls]))
    return tuple((at, float(s), loss) for (at, loss), s in zip(falls, used, strict=True))


def _total(intervals: Sequence[Interval], until: float) -> float:
    # An epoch that was cut before it began has its end before its begin.
    return math.fsum(max(0.0, min(end, until) - begin) for begin, end in intervals)
