"""Which new trials are not worth their first epoch, judged by earlier studies.

The trials of earlier studies are ranked; a regression on their hyperparameters predicts the rank
of a new configuration. Ranks, as normal scores, stay valid for a study with another level of
losses, and outliers do not distort them.

Shapes: T earlier trials, H coordinates of a configuration.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import storage_of, trial_id
from commons.rungs import sign
from commons.unit_cube import apart, choice
from hpo.attributes import SKIPPED, own_trials, stored
from hpo.search.scores import scores

Floats = NDArray[np.float64]
_MIN_TRIALS = 10  # with fewer no trial is skipped
_N_FOLDS = 5


class Regressor(Protocol):
    """A regressor with the methods of scikit-learn's."""

    def fit(self, X: Floats, y: Floats) -> Any:
        """Learn from configurations, shape (T, H), and their scores, shape (T,)."""

    def predict(self, X: Floats) -> Floats:
        """Return the scores of other configurations."""


class KernelRidge:
    """Kernel ridge regression with the Gaussian kernel exp(-2 d^2 / H) on the unit cube.

    `ridge` is the noise variance of a score, relative to the prior variance; positive.
    """

    def __init__(self, ridge: float = 0.1) -> None:
        self._ridge = ridge

    def fit(self, X: Floats, y: Floats) -> KernelRidge:
        """Learn from configurations, shape (T, H), and their scores, shape (T,)."""
        self._points, self._mean = X, y.mean()
        kernel = self._kernel(X) + self._ridge * np.eye(len(X))
        self._weights = np.linalg.solve(kernel, y - self._mean)
        return self

    def predict(self, X: Floats) -> Floats:
        """Return the scores of other configurations."""
        return np.asarray(self._mean + self._kernel(X) @ self._weights)

    def _kernel(self, X: Floats) -> Floats:
        squares = np.square(X[:, None] - self._points[None]).mean(axis=2)
        return np.asarray(np.exp(-2.0 * squares))


class Screen:
    """Skips new trials whose hyperparameters are unpromising according to earlier studies.

    A trial is skipped if its predicted score minus k standard deviations of the cross-validated
    errors is still worse than the best cross-validated prediction for an earlier trial.
    (Predictions shrink toward the mean, so they are compared with predictions.) The user attribute
    `skipped` of the trial stores {predicted, spread, best} in standard deviations of all
    configurations; small is good.

    Args:
        regressor: `fit` and `predict` as in scikit-learn; None: `KernelRidge`.
        optimism: k, at least 0; small values skip more trials, good ones included.
        max_share: at most this share of all trials that have begun or been skipped is skipped,
            in [0, 1).

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import optuna
        >>> earlier, study = optuna.create_study(), optuna.create_study()
        >>> earlier.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20)
        >>> screen = Screen()
        >>> screen.learn(earlier.trials)
        >>> for x in (0.0, 1.0):
        ...     study.enqueue_trial({"x": x})
        ...     _ = study.ask(earlier.trials[0].distributions)
        >>> [screen.skips(study, trial) for trial in study.trials]
        [False, True]
    """

    def __init__(
        self, regressor: Regressor | None = None, optimism: float = 2.0, max_share: float = 0.75
    ) -> None:
        if optimism < 0:
            raise ValueError(f"optimism must be >= 0, got {optimism}")
        if not 0 <= max_share < 1:
            raise ValueError(f"max_share must be in [0, 1), got {max_share}")
        self._regressor: Regressor = KernelRidge() if regressor is None else regressor
        self._optimism, self._max_share = optimism, max_share
        self._trials: list[FrozenTrial] = []
        self._is_fitted = False

    def learn(self, trials: Sequence[FrozenTrial]) -> None:
        """Add trials of earlier studies, all of the same search space."""
        self._trials += [trial for trial in trials if trial.intermediate_values or trial.values]
        self._is_fitted = False

    def skips(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether a RUNNING trial should end before its first epoch; if so, store why."""
        if len(self._trials) < _MIN_TRIALS or not self._has_room(study):
            return False
        if not self._is_fitted:
            self._fit(sign(study))
        predicted = float(self._regressor.predict(self._coordinates([trial]))[0])
        if predicted - self._optimism * self._spread < self._best:
            return False
        record = {"predicted": predicted, "spread": self._spread, "best": self._best}
        storage_of(study).set_trial_user_attr(trial_id(trial), SKIPPED, record)
        return True

    def _has_room(self, study: Study) -> bool:
        trials = own_trials(study.get_trials(deepcopy=False))
        n_begun = sum(trial.state != TrialState.WAITING or bool(trial.params) for trial in trials)
        n_skipped = sum(stored(trial.user_attrs, SKIPPED) is not None for trial in trials)
        return n_skipped + 1 <= self._max_share * n_begun

    def _fit(self, sign: int) -> None:
        X, y = self._coordinates(self._trials), scores(self._trials, sign)
        unseen = self._cross_validated(X, y)
        self._spread = math.sqrt(np.mean(np.square(y - unseen)))
        self._best = float(unseen.min())
        self._regressor.fit(X, y)
        self._is_fitted = True

    def _cross_validated(self, X: Floats, y: Floats) -> Floats:
        """Predict each score by a regression that has not seen the configuration."""
        configurations = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)
        folds, unseen = configurations % _N_FOLDS, np.empty_like(y)
        for fold in np.unique(folds):
            out = folds == fold
            regressor = copy.deepcopy(self._regressor)
            regressor.fit(X[~out], y[~out])
            unseen[out] = regressor.predict(X[out])
        return unseen

    def _coordinates(self, trials: Sequence[FrozenTrial]) -> Floats:
        space = self._trials[0].distributions
        return np.array([coordinates(t.params, space) for t in trials])


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
