"""Ladders that are found on a table: what plain successive halving reaches if it is tuned there.

A ladder keeps the best n_i configurations at epoch e_i. Of many random ones, the best at no more
than a number of epochs is chosen on half of the draws of a table and scored on the other half. A
policy that does not beat it there owes nothing to its forecasts.

Shapes: D draws, N configurations, E epochs, L ladders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.reproduce.policies.draws import Draws, Measured, measure
from commons.pools import advance, run_tasks
from hpo.curves import Floats

Ladder = dict[int, int]  # configurations to keep, by epoch
_MAX_RUNGS = 6
_LAST_RUNG = 0.8  # of E


@dataclass(frozen=True)
class Found:
    """A ladder that no cheaper one beats on the draws on which it was found."""

    ladder: Ladder
    epochs: float  # mean over all draws
    scored: Measured  # on the other draws


def halves(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the draws on which ladders are found, and those on which they are scored."""
    return np.arange(0, n, 2), np.arange(1, n, 2)


def find(draws: Draws, tolerance: float, n_ladders: int) -> list[Found]:
    """Return the front of random ladders: each is better than all cheaper ones.

    Better is a greater share of draws within the tolerance or, if that is equal, a smaller gap.
    """
    here, there = halves(len(draws.losses))
    climber = Climber(draws.losses)
    measured = []
    _, n, n_epochs = draws.losses.shape
    for ladder in random_ladders(n, n_epochs, n_ladders):
        epochs, finals = climber.climb(ladder)
        mine = measure(draws.take(here), tolerance, epochs[here], finals[here])
        measured.append((float(epochs.mean()), -mine.p, mine.mean_gap, ladder, epochs, finals))
    front: list[Found] = []
    best = (1.0, 1.0)
    for mean, p, gap, ladder, epochs, finals in sorted(measured, key=lambda each: each[:3]):
        if (p, gap) < best:
            best = p, gap
            scored = measure(draws.take(there), tolerance, epochs[there], finals[there])
            front.append(Found(ladder, mean, scored))
    return front


def find_all(
    draws: Mapping[str, Draws], tolerances: Mapping[str, float], n_ladders: int, n_jobs: int | None
) -> dict[str, list[Found]]:
    """Return the front of each table, by name; over processes."""
    tasks = [(draws[name], tolerances[name], n_ladders) for name in draws]
    fronts = run_tasks(_find, tasks, n_steps=len(tasks), description="ladders", n_processes=n_jobs)
    return dict(zip(draws, fronts, strict=True))


def _find(task: tuple[Draws, float, int]) -> list[Found]:
    front = find(*task)
    advance()
    return front


def at_most(front: Sequence[Found], epochs: float) -> Found | None:
    """Return the best ladder of at most so many mean epochs, None: there is none."""
    return max((f for f in front if f.epochs <= epochs), key=lambda f: f.epochs, default=None)


def random_ladders(n: int, n_epochs: int, n_ladders: int) -> list[Ladder]:
    """Return random ladders, the same for the same numbers; epochs and numbers are log-uniform."""
    random, ladders = np.random.default_rng([n, n_epochs]), []
    last = max(1, int(_LAST_RUNG * n_epochs))
    for _ in range(n_ladders):
        n_rungs = random.integers(1, _MAX_RUNGS + 1)
        rungs = np.unique(np.exp(random.uniform(0, np.log(last + 1), n_rungs)).astype(int))
        numbers = np.sort(np.exp(random.uniform(0, np.log(n), len(rungs))).astype(int))[::-1]
        ladders.append(dict(zip(rungs.tolist(), numbers.tolist(), strict=True)))
    return ladders


class Climber:
    """Climbs ladders on all draws at once.

    Args:
        losses: shape (D, N, E), inf from where a training diverged.
    """

    def __init__(self, losses: Floats) -> None:
        self._by_epoch = np.ascontiguousarray(np.moveaxis(losses, 2, 0))
        finite = np.isfinite(losses).sum(axis=2)
        self._ends = np.minimum(finite + 1, losses.shape[2])  # a training diverges in this epoch

    def climb(self, ladder: Ladder) -> tuple[NDArray[np.intp], Floats]:
        """Return the epochs and the best final loss of each draw, each of shape (D,)."""
        n_draws, n = self._ends.shape
        n_epochs, before = len(self._by_epoch), 0
        alive = np.broadcast_to(np.arange(n), (n_draws, n))
        spent = np.zeros(n_draws, dtype=np.intp)
        for rung, number in [*ladder.items(), (n_epochs, 1)]:
            ends = np.take_along_axis(self._ends, alive, axis=1)
            spent += (np.minimum(rung, ends) - np.minimum(before, ends)).sum(axis=1)
            values = np.take_along_axis(self._by_epoch[rung - 1], alive, axis=1)
            first = np.argpartition(values, number - 1, axis=1)[:, :number]
            alive, before = np.take_along_axis(alive, first, axis=1), rung
        return spent, np.take_along_axis(self._by_epoch[-1], alive, axis=1)[:, 0]
