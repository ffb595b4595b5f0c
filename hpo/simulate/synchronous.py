"""Synchronous references: each rung waits for all of its configurations.

They need neither study nor pruner. Losses of a pool have shape (N, E): N configurations in the
order in which they start, E epochs, smaller is better, inf from where a training diverged.

.. [Li2018] Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
   arXiv:1603.06560.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpo.curves import Floats
from hpo.simulate.run import Run, Spent

Configurations = NDArray[np.intp]


class Trainings:
    """Trains configurations of a pool further and counts what that costs."""

    def __init__(self, losses: Floats) -> None:
        self._losses = losses
        finite = np.isfinite(losses).all(axis=1)
        self._end = np.where(finite, losses.shape[1], np.isinf(losses).argmax(axis=1) + 1)
        self._lengths = np.zeros(len(losses), dtype=int)
        self._spent = Spent(0, 0, 0)
        self._finished: list[tuple[Spent, float]] = []

    def train(self, configurations: Configurations, until: int) -> Floats:
        """Train configurations to an epoch, counted from 1, in turn; return the losses there."""
        for i in configurations:
            length, before = int(min(until, self._end[i])), int(self._lengths[i])
            if length > before:
                self._spent = Spent(
                    self._spent.epochs + length - before,
                    self._spent.n_started + (before == 0),
                    self._spent.n_resumed + (before > 0),
                )
                self._lengths[i] = length
                if length == self._losses.shape[1]:
                    self._finished.append((self._spent, float(self._losses[i, -1])))
        values: Floats = self._losses[configurations, until - 1]
        return values

    def run(self) -> Run:
        """Return what was spent and found so far."""
        return Run(self._spent, tuple(self._finished), tuple(self._lengths.tolist()))


def random_search(losses: Floats) -> Run:
    """Train all N configurations to the end."""
    trainings = Trainings(losses)
    trainings.train(np.arange(len(losses)), losses.shape[1])
    return trainings.run()


def successive_halving(losses: Floats, min_resource: int = 2, eta: int = 3) -> Run:
    """Keep the best 1/eta at r, r eta, r eta^2 ... epochs, r = `min_resource`."""
    rungs, number, rung = {}, len(losses), min_resource
    while rung < losses.shape[1]:
        number = max(number // eta, 1)
        rungs[rung] = number
        rung *= eta
    return climb(losses, rungs)


def hyperband(losses: Floats, eta: int = 2) -> Run:
    """Hyperband [Li2018]_: successive halvings from 2^s configurations and R / 2^s epochs."""
    trainings = Trainings(losses)
    for alive, rungs in brackets(len(losses), losses.shape[1], eta):
        for rung in rungs:
            alive = best(alive, trainings.train(alive, rung), len(alive) // eta)
    return trainings.run()


def bracket_sizes(n_epochs: int, eta: int = 2) -> list[int]:
    """Return how many configurations each bracket of Hyperband begins with, s = s_max ... 0.

    >>> bracket_sizes(100), sum(bracket_sizes(100))
    ([64, 38, 23, 14, 10, 7, 7], 163)
    """
    s_max = _s_max(n_epochs, eta)
    return [-(-(s_max + 1) * eta**s // (s + 1)) for s in range(s_max, -1, -1)]


def pool_sizes(n_rows: int, n_epochs: int, eta: int = 2) -> list[int]:
    """Return `bracket_sizes`, for more or fewer rows: all rows, divided in proportion.

    >>> pool_sizes(11, 12), pool_sizes(44, 12)
    ([3, 3, 2, 3], [16, 12, 8, 8])

    Raises:
        ValueError: fewer rows than brackets.
    """
    sizes = np.array(bracket_sizes(n_epochs, eta))
    n_brackets, total = len(sizes), int(sizes.sum())
    if n_rows < n_brackets:
        raise ValueError(f"{n_rows} trainings are too few: Hyperband has {n_brackets} brackets")
    n_more = n_rows - n_brackets  # beyond one per bracket
    shares = np.cumsum(sizes - 1) * n_more // (total - n_brackets)
    return [1 + int(share) for share in np.diff(shares, prepend=0)]


def brackets(n: int, n_epochs: int, eta: int) -> list[tuple[Configurations, list[int]]]:
    """Return the configurations and the rungs of each bracket of Hyperband; 1 in `eta` goes on."""
    sizes = pool_sizes(n, n_epochs, eta)
    begins = np.cumsum([0, *sizes])
    result = []
    for s, begin, size in zip(range(len(sizes) - 1, -1, -1), begins, sizes, strict=False):
        rungs = [round(n_epochs / eta ** (s - i)) for i in range(s + 1)]
        result.append((np.arange(begin, begin + size), rungs))
    return result


def _s_max(n_epochs: int, eta: int) -> int:
    s = 0
    while eta ** (s + 1) <= n_epochs:
        s += 1
    return s


def climb(losses: Floats, rungs: dict[int, int]) -> Run:
    """Keep the best `rungs[epoch]` configurations at each epoch; train the last ones to the end.

    The epochs of `rungs` ascend.
    """
    trainings, alive = Trainings(losses), np.arange(len(losses))
    for rung, number in rungs.items():
        alive = best(alive, trainings.train(alive, rung), number)
    trainings.train(alive, losses.shape[1])
    return trainings.run()


def best(configurations: Configurations, values: Floats, number: int) -> Configurations:
    """Return those of the smallest values, at least one; of equal values the first."""
    return configurations[np.argsort(values, kind="stable")[: max(number, 1)]]
