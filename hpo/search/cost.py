"""How long a step of a new trial is expected to take, from what others took.

Shapes: T trials, H coordinates of a configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution

from commons.changes import Changes
from commons.unit_cube import apart, choice
from hpo.attributes import seconds_of

Floats = NDArray[np.float64]
_MIN_TRIALS = 10  # with fewer nothing is expected
_MAX_TRIALS = 200  # the last ones: time and memory grow with the cube and the square


class Costs:
    """What the steps of one study's trials took: log of seconds by configuration."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._known: dict[int, tuple[dict[str, Any], float]] = {}

    def cheapest(
        self,
        study: Study,
        proposals: Sequence[dict[str, Any]],
        space: Mapping[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the proposal whose steps should take the least time; the first, if unknown.

        The logarithm of seconds per step is a function of the configuration, see `KernelRidge`.

        Args:
            study: of the trials.
            proposals: at least one; each has the parameters of `space`.
            space: distribution by name.
        """
        if len(proposals) == 1:
            return proposals[0]
        for trial in self._changes.since(study.get_trials(deepcopy=False)):
            seconds, n = seconds_of(trial), len(trial.intermediate_values)
            if seconds > 0 and n:
                self._known[trial.number] = trial.params, math.log(seconds / n)
        known = [each for each in self._known.values() if each[0].keys() >= space.keys()]
        if len(known) < _MIN_TRIALS:
            return proposals[0]
        known = known[-_MAX_TRIALS:]
        X = np.array([coordinates(params, space) for params, _ in known])
        model = KernelRidge().fit(X, np.array([cost for _, cost in known]))
        expected = model.predict(np.array([coordinates(each, space) for each in proposals]))
        return proposals[int(np.argmin(expected))]


class KernelRidge:
    """Kernel ridge regression with the Gaussian kernel exp(-2 d^2 / H) on the unit cube.

    `ridge` is the noise variance of a value, relative to the prior variance; positive.
    """

    def __init__(self, ridge: float = 0.1) -> None:
        self._ridge = ridge

    def fit(self, X: Floats, y: Floats) -> KernelRidge:
        """Learn from configurations, shape (T, H), and their values, shape (T,)."""
        self._points, self._mean = X, y.mean()
        kernel = self._kernel(X) + self._ridge * np.eye(len(X))
        self._weights = np.linalg.solve(kernel, y - self._mean)
        return self

    def predict(self, X: Floats) -> Floats:
        """Return the values of other configurations."""
        return np.asarray(self._mean + self._kernel(X) @ self._weights)

    def _kernel(self, X: Floats) -> Floats:
        squares = np.square(X[:, None] - self._points[None]).mean(axis=2)
        return np.asarray(np.exp(-2.0 * squares))


def coordinates(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> list[float]:
    """Return a configuration as a point of the unit cube.

    A number is scaled to its range, logarithmically if it is searched so. Choices that are numbers
    are placed by their rank; other choices get one coordinate each.
    """
    return [
        x for key, each in space.items() if not each.single() for x in _scaled(each, params[key])
    ]


def _scaled(distribution: Any, value: Any) -> list[float]:
    if isinstance(distribution, CategoricalDistribution):
        return choice(distribution, value)
    return [apart(distribution, distribution.low, value)]
