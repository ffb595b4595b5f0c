"""Synchronous references: each rung waits for all of its configurations.

They need neither study nor pruner. Losses of a pool have shape (N, E): N configurations in the
order in which they are met, E epochs, small is good, inf from where a training diverged.

.. [Li2018] Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
   arXiv:1603.06560.
.. [Wulff2024] Hyperparameter optimization of data-driven AI models on HPC systems, and
   Swift-Hyperband, https://github.com/JP-Amboage/performance-pred.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpo.curves import Floats
from hpo.simulate.run import Run, Spent

Configurations = NDArray[np.intp]
# The published ladders are for so many configurations and epochs.
_LADDER_POOL, _LADDER_EPOCHS = 163, 100


class Predictor(Protocol):
    """A regressor as scikit-learn has them."""

    def fit(self, X: Floats, y: Floats) -> Predictor:
        """Learn from curves, shape (n, epochs), and later losses, shape (n,)."""

    def predict(self, X: Floats) -> Floats:
        """Return the later losses, shape (m,)."""


class _Trainings:
    """Trains configurations of a pool further and counts what that takes."""

    def __init__(self, losses: Floats) -> None:
        self._losses = losses
        finite = np.isfinite(losses).all(axis=1)
        self._end = np.where(finite, losses.shape[1], np.isinf(losses).argmax(axis=1) + 1)
        self._lengths = np.zeros(len(losses), dtype=int)
        self._spent = Spent(0, 0, 0)
        self._finished: list[tuple[Spent, float]] = []

    def train(self, configurations: Configurations, until: int) -> Floats:
        """Train to an epoch, counted from 1, one after the other; return the losses there."""
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
        """Return what all of it has taken."""
        return Run(self._spent, tuple(self._finished), tuple(self._lengths.tolist()))


def random_search(losses: Floats) -> Run:
    """Train all N configurations to the end."""
    trainings = _Trainings(losses)
    trainings.train(np.arange(len(losses)), losses.shape[1])
    return trainings.run()


def ladder(losses: Floats, rungs: Sequence[int], keep: Sequence[int]) -> Run:
    """Keep the best `keep[i]` configurations at epoch `rungs[i]`, and train the last to the end.

    For 163 configurations and 100 epochs. For other N and E, rungs scale with E and numbers with
    N, both rounded and at least 1; of rungs that fall together the first counts.

    Raises:
        ValueError: no rung is left below E.
    """
    n, n_epochs = losses.shape
    scaled: dict[int, int] = {}
    for rung, number in zip(rungs, keep, strict=True):
        epoch = max(round(rung * n_epochs / _LADDER_EPOCHS), 1)
        if epoch < n_epochs:
            scaled.setdefault(epoch, max(round(number * n / _LADDER_POOL), 1))
    if not scaled:
        raise ValueError(f"no rung of {list(rungs)} is left for {n_epochs} epochs")
    return _climb(losses, scaled)


def successive_halving(losses: Floats, min_resource: int = 2, eta: int = 3) -> Run:
    """Keep the best 1/eta at r, r eta, r eta^2 ... epochs, r = `min_resource`."""
    rungs, number, rung = {}, len(losses), min_resource
    while rung < losses.shape[1]:
        number = max(number // eta, 1)
        rungs[rung] = number
        rung *= eta
    return _climb(losses, rungs)


def hyperband(losses: Floats, eta: int = 2) -> Run:
    """Hyperband [Li2018]_: successive halvings from 2^s configurations and R / 2^s epochs."""
    trainings = _Trainings(losses)
    for alive, rungs in _brackets(len(losses), losses.shape[1], eta):
        for rung in rungs:
            alive = _best(alive, trainings.train(alive, rung), len(alive) // eta)
    return trainings.run()


def swift_hyperband(
    losses: Floats,
    predictor: Predictor,
    n_curves: int = 15,
    k: float = 0.5,
    known_curve: float = 0.5,
    eta: int = 2,
) -> Run:
    """Hyperband that spares trials of which a predictor expects little, after [Wulff2024]_.

    Between two rungs every trial trains over the first `known_curve` of the way. It goes on
    if fewer than k * (configurations of the next rung) do, or if this rung lacks curves to learn
    from. The others wait; those predicted below the 25 % quantile of this rung's losses go on, at
    least as many as the next rung needs. A predictor is fitted once per rung and way, without
    hyperparameters, and never again.

    Args:
        losses: shape (N, E).
        predictor: copied for each fit.
        n_curves: d, complete curves up to a rung that a predictor needs.
        k: share of the next rung's configurations that go on in any case.
        known_curve: share of the way between two rungs.
        eta: as in Hyperband.
    """
    swift = _Swift(losses, predictor, n_curves, k, known_curve, eta)
    for alive, rungs in _brackets(len(losses), losses.shape[1], eta):
        before = 0
        for rung in rungs:
            alive = swift.climb(alive, before, rung)
            before = rung
    return swift.trainings.run()


class _Swift:
    def __init__(
        self,
        losses: Floats,
        predictor: Predictor,
        n_curves: int,
        k: float,
        known_curve: float,
        eta: int,
    ) -> None:
        self.trainings = _Trainings(losses)
        self._losses, self._predictor, self._n_curves = losses, predictor, n_curves
        self._k, self._known_curve, self._eta = k, known_curve, eta
        self._known: dict[int, list[int]] = {}  # D: configurations with a curve up to a rung
        self._fitted: dict[tuple[int, int], Predictor] = {}

    def climb(self, alive: Configurations, before: int, rung: int) -> Configurations:
        """Train up to a rung; return the configurations of the next one."""
        part = before + math.ceil((rung - before) * self._known_curve)
        n_next = max(len(alive) // self._eta, 1)
        known = self._known.setdefault(rung, [])
        full: list[int] = []
        waiting: list[int] = []
        for i in alive:
            self.trainings.train(np.array([i]), part)
            if len(full) < self._k * n_next or len(known) < self._n_curves:
                full.append(i)
                known.append(i)
            else:
                waiting.append(i)
        values = self.trainings.train(np.array(full), rung)
        if waiting:
            chosen = self._select(np.array(waiting), values, rung, part, n_next - len(full))
            values = np.append(values, self.trainings.train(chosen, rung))
            full.extend(chosen)
        return _best(np.array(full), values, n_next)

    def _select(
        self, waiting: Configurations, values: Floats, rung: int, part: int, n_lacking: int
    ) -> Configurations:
        predicted = np.full(len(waiting), np.inf)
        curves = self._losses[waiting, :part]
        sound = np.isfinite(curves).all(axis=1)
        if sound.any():
            predicted[sound] = self._predictor_for(rung, part).predict(curves[sound])
        good = predicted < np.quantile(values, 0.25)
        if good.sum() < n_lacking:
            return _best(waiting, predicted, n_lacking)
        return waiting[good]

    def _predictor_for(self, rung: int, part: int) -> Predictor:
        if (rung, part) not in self._fitted:
            known = np.array(self._known[rung])
            known = known[np.isfinite(self._losses[known, rung - 1])]
            predictor = copy.deepcopy(self._predictor)
            predictor.fit(self._losses[known, :part], self._losses[known, rung - 1])
            self._fitted[rung, part] = predictor
        return self._fitted[rung, part]


def bracket_sizes(n_epochs: int, eta: int = 2) -> list[int]:
    """Return how many configurations each bracket of Hyperband begins with, s = s_max ... 0.

    >>> bracket_sizes(100), sum(bracket_sizes(100))
    ([64, 38, 23, 14, 10, 7, 7], 163)
    """
    s_max = _s_max(n_epochs, eta)
    return [-(-(s_max + 1) * eta**s // (s + 1)) for s in range(s_max, -1, -1)]


def pool_sizes(n_rows: int, n_epochs: int, eta: int = 2) -> list[int]:
    """Return `bracket_sizes`, for fewer rows than those need: all rows, divided in proportion.

    >>> pool_sizes(11, 12)
    [3, 3, 2, 3]

    Raises:
        ValueError: not even one row per bracket.
    """
    sizes = np.array(bracket_sizes(n_epochs, eta))
    n_brackets, total = len(sizes), int(sizes.sum())
    if n_rows < n_brackets:
        raise ValueError(f"{n_rows} trainings are too few: Hyperband has {n_brackets} brackets")
    n_more = min(n_rows, total) - n_brackets  # beyond one per bracket
    shares = np.cumsum(sizes - 1) * n_more // (total - n_brackets)
    return [1 + int(share) for share in np.diff(shares, prepend=0)]


def _brackets(n: int, n_epochs: int, eta: int) -> list[tuple[Configurations, list[int]]]:
    """The configurations and rungs of each bracket."""
    sizes = pool_sizes(n, n_epochs, eta)
    begins = np.cumsum([0, *sizes])
    brackets = []
    for s, begin, size in zip(range(len(sizes) - 1, -1, -1), begins, sizes, strict=False):
        rungs = [round(n_epochs / eta ** (s - i)) for i in range(s + 1)]
        brackets.append((np.arange(begin, begin + size), rungs))
    return brackets


def _s_max(n_epochs: int, eta: int) -> int:
    s = 0
    while eta ** (s + 1) <= n_epochs:
        s += 1
    return s


def _climb(losses: Floats, rungs: dict[int, int]) -> Run:
    trainings, alive = _Trainings(losses), np.arange(len(losses))
    for rung, number in rungs.items():
        alive = _best(alive, trainings.train(alive, rung), number)
    trainings.train(alive, losses.shape[1])
    return trainings.run()


def _best(configurations: Configurations, values: Floats, number: int) -> Configurations:
    return configurations[np.argsort(values, kind="stable")[: max(number, 1)]]
