"""Swift-Hyperband [Wulff2024]_.

.. [Wulff2024] Hyperparameter optimization of data-driven AI models on HPC systems, and
   Swift-Hyperband, https://github.com/JP-Amboage/performance-pred.
"""

from __future__ import annotations

import copy
import math
from typing import Protocol

import numpy as np

from hpo.curves import Floats
from hpo.simulate.run import Run
from hpo.simulate.synchronous import Configurations, Trainings, best, brackets


class Predictor(Protocol):
    """A regressor as scikit-learn has them."""

    def fit(self, X: Floats, y: Floats) -> Predictor:
        """Learn from curves, shape (n, epochs), and later losses, shape (n,)."""

    def predict(self, X: Floats) -> Floats:
        """Return the later losses, shape (m,)."""


def swift_hyperband(
    losses: Floats,
    predictor: Predictor,
    n_curves: int = 15,
    k: float = 0.5,
    known_curve: float = 0.5,
    eta: int = 2,
) -> Run:
    """Hyperband that stops trials with poor predictions between rungs, after [Wulff2024]_.

    Between two rungs every trial trains over the first `known_curve` of the epochs. It goes on
    if fewer than k * (configurations of the next rung) do, or if this rung lacks curves to learn
    from. The others wait. Those predicted below the 25 % quantile of this rung's losses go on, at
    least as many as the next rung needs. A predictor is fitted once for each pair of rungs,
    without hyperparameters.

    Args:
        losses: shape (N, E).
        predictor: copied for each fit.
        n_curves: d, complete curves up to a rung that a predictor needs.
        k: share of the next rung's configurations that go on in any case.
        known_curve: share of the epochs between two rungs.
        eta: as in Hyperband.
    """
    swift = _Swift(losses, predictor, n_curves, k, known_curve, eta)
    for alive, rungs in brackets(len(losses), losses.shape[1], eta):
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
        self.trainings = Trainings(losses)
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
        return best(np.array(full), values, n_next)

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
            return best(waiting, predicted, n_lacking)
        return waiting[good]

    def _predictor_for(self, rung: int, part: int) -> Predictor:
        if (rung, part) not in self._fitted:
            known = np.array(self._known[rung])
            known = known[np.isfinite(self._losses[known, rung - 1])]
            predictor = copy.deepcopy(self._predictor)
            predictor.fit(self._losses[known, :part], self._losses[known, rung - 1])
            self._fitted[rung, part] = predictor
        return self._fitted[rung, part]
