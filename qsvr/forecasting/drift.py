"""Where learning curves go from one decision epoch to the next, and so where they end.

With the loss y_j of a training at decision epoch j, small is good, and a floor c below all losses,
z_j = log(y_j - c) falls by a *drift* z_{j+1} - z_j that trainings of similar z_j share. The model
learns mean and spread of the drift of each step from all trainings that have taken the step,
stopped and running ones included; the end of a curve is its present z plus the drifts to come.

Shapes: T trainings, J decision epochs, H hyperparameters, P pairs (trainings that took a step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import KFold

Floats = NDArray[np.float64]

# The first drifts and their spread before any pair is known; each step has less of both.
_DRIFT, _SPREAD, _DECAY = -0.1, 0.3, 0.8
_PRIOR_PAIRS = 1.0  # so many pairs weigh as much as these
_BANDWIDTH = 0.3  # trainings whose z differs by so much count exp(-1/2)
_OUTLIER = 2.0  # drifts farther from the median, in robust standard deviations, are drawn in
_HP_WEIGHT = 0.25  # hyperparameters against the curve in the distance of two trainings
_MIN_PAIRS, _MAX_PAIRS = 6, 300  # a regressor needs so many; more say no more, and cost time
_N_FOLDS = 3


@dataclass(frozen=True)
class LogScale:
    """z = log(y - c), which is about linear in the logarithm of the epoch.

    Attributes:
        floor: c.
        least: the smallest y - c that is told apart.
    """

    floor: float
    least: float

    @classmethod
    def of(cls, values: Floats) -> LogScale:
        """Return the scale whose floor is a little below the best of some values.

        Args:
            values: shape (T, J), NaN where unknown, at least one known in the first column.
        """
        best = float(np.nanmin(values))
        span = float(np.nanmedian(values[:, 0])) - best
        span = span if span > 0 else max(abs(best), 1.0) * 1e-3  # nothing has moved yet
        return cls(best - 0.11 * span, 1e-9 * span)

    def __call__(self, values: Any) -> Floats:
        """Return z, NaN where a value is."""
        return np.log(np.maximum(np.asarray(values, np.float64) - self.floor, self.least))

    def inverse(self, z: Any) -> Floats:
        """Return the loss of a z."""
        return np.asarray(np.exp(z) + self.floor, np.float64)


@dataclass(frozen=True)
class _Step:
    """The pairs of one step and what they say.

    Attributes:
        start: shape (P,), z before the step.
        drift: shape (P,), outliers drawn in.
        residual: shape (P,), what local mean and models leave of the drift, each pair judged by
            those that have not seen it; None without models.
        models: fitted regressors of what the local mean leaves; empty: nothing is added to it.
    """

    start: Floats
    drift: Floats
    residual: Floats | None
    models: list[Any]


class DriftModel:
    """Forecasts the end of curves by the drifts of others.

    Args:
        regressor: scikit-learn regressor, on (z, drift of the step before, hyperparameters), of
            what the mean drift of the trainings of similar z leaves; None: nothing is added to
            that mean. So where a regressor knows nothing, the mean stands.
    """

    def __init__(self, regressor: Any = None) -> None:
        self._regressor = regressor

    def fit(self, z: Floats, hyperparameters: Floats) -> DriftModel:
        """Learn the drifts.

        Args:
            z: shape (T, J), NaN from where a training has not been.
            hyperparameters: shape (T, H), in [0, 1].

        Raises:
            ValueError: the regressor cannot be fitted.
        """
        features = _features(z, hyperparameters)
        self._steps = []
        for j in range(z.shape[1] - 1):
            drift = z[:, j + 1] - z[:, j]
            took = np.flatnonzero(np.isfinite(drift))[-_MAX_PAIRS:]
            self._steps.append(self._learn(j, z[took, j], drift[took], features[took, j]))
        return self

    def predict(
        self, z: Floats, reached: NDArray[np.intp], hyperparameters: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return location, scale and degrees of freedom of z at the end, each of shape (T,).

        With a Student distribution for each step, as for the next one of a few normal numbers,
        that of their sum follows by Welch and Satterthwaite.

        Args:
            z: shape (T, J), as in `fit`.
            reached: shape (T,), the last decision epoch (its index) of each training.
            hyperparameters: shape (T, H).
        """
        rows = np.arange(len(z))
        mean, variance, spread4 = z[rows, reached].copy(), np.zeros(len(z)), np.zeros(len(z))
        before = np.where(reached > 0, mean - z[rows, np.maximum(reached - 1, 0)], 0.0)
        for j, step in enumerate(self._steps):
            on = reached <= j
            if not on.any():
                continue
            drift, spread2, n = self._drift(j, step, mean[on], before[on], hyperparameters[on])
            mean[on] += drift
            before[on] = drift
            variance[on] += spread2
            spread4[on] += spread2**2 / n
        freedom = variance**2 / np.maximum(spread4, np.finfo(float).tiny)
        return mean, np.sqrt(variance), np.maximum(freedom, 1.0)

    def _learn(self, j: int, start: Floats, drift: Floats, features: Floats) -> _Step:
        drift = _draw_in(drift, _SPREAD * _DECAY**j)
        if self._regressor is None or len(drift) < _MIN_PAIRS:
            return _Step(start, drift, None, [])
        weights = _closeness(start, start)
        np.fill_diagonal(weights, 0.0)
        rest = drift - _local_mean(j, weights, drift)
        models, residual = [], np.empty_like(drift)
        for seen, fold in KFold(_N_FOLDS).split(features):
            model = _Standardised(clone(self._regressor)).fit(features[seen], rest[seen])
            residual[fold] = rest[fold] - model.predict(features[fold])
            models.append(model)
        return _Step(start, drift, residual, models)

    def _drift(
        self, j: int, step: _Step, z: Floats, before: Floats, hyperparameters: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Mean and variance of a step's next drift at `z`, and the pairs known, prior included."""
        weights = _closeness(z, step.start)
        mean = _local_mean(j, weights, step.drift)
        if step.residual is None:
            deviation2 = (step.drift[None] - mean[:, None]) ** 2
        else:
            deviation2 = step.residual[None] ** 2
            features = np.column_stack([z, before, _HP_WEIGHT * hyperparameters])
            mean += np.mean([model.predict(features) for model in step.models], axis=0)
        prior2 = (_SPREAD * _DECAY**j) ** 2
        n = weights.sum(axis=1) + _PRIOR_PAIRS
        variance = (_PRIOR_PAIRS * prior2 + (weights * deviation2).sum(axis=1)) / n
        return mean, variance * (1 + 1 / n), n  # 1 / n: the mean itself is uncertain


def _closeness(z: Floats, start: Floats) -> Floats:
    """Weight of each pair (column) for each training (row)."""
    return np.asarray(np.exp(-0.5 * ((z[:, None] - start[None]) / _BANDWIDTH) ** 2), np.float64)


def _local_mean(j: int, weights: Floats, drift: Floats) -> Floats:
    prior = _DRIFT * _DECAY**j
    n = weights.sum(axis=1) + _PRIOR_PAIRS
    return np.asarray((_PRIOR_PAIRS * prior + weights @ drift) / n, np.float64)


class _Standardised:
    """A regressor of the drift whose inputs and target have mean 0, the target spread 1."""

    def __init__(self, regressor: Any) -> None:
        self._regressor = regressor

    def fit(self, features: Floats, drift: Floats) -> _Standardised:
        self._centre, scale = features.mean(axis=0), features[:, :2].std(axis=0)
        self._scale = np.ones(features.shape[1])
        self._scale[:2] = np.where(scale > 0, scale, 1.0)  # hyperparameters keep their weight
        self._mean, self._spread = drift.mean(), drift.std() or 1.0
        self._regressor.fit(self._inputs(features), (drift - self._mean) / self._spread)
        return self

    def predict(self, features: Floats) -> Floats:
        told = np.asarray(self._regressor.predict(self._inputs(features)), np.float64)
        # Beyond the drifts that were seen no regressor knows anything.
        return np.asarray(self._mean + self._spread * np.clip(told, -3.0, 3.0), np.float64)

    def _inputs(self, features: Floats) -> Floats:
        return np.asarray((features - self._centre) / self._scale, np.float64)


def _features(z: Floats, hyperparameters: Floats) -> Floats:
    """Shape (T, J, 2 + H): z, the drift of the step before (0 at the first) and the HPs."""
    before = np.diff(z, axis=1, prepend=z[:, :1])
    hps = np.broadcast_to(
        _HP_WEIGHT * hyperparameters[:, None], (*z.shape, hyperparameters.shape[1])
    )
    return np.concatenate([z[..., None], before[..., None], hps], axis=2)


def _draw_in(drift: Floats, prior_spread: float) -> Floats:
    """Move outliers to the edge: curves jump now and then, and the next one hardly will."""
    if len(drift) < 3:
        return drift
    median = np.median(drift)
    robust = 1.4826 * np.median(np.abs(drift - median))
    n = len(drift)
    spread2 = (_PRIOR_PAIRS * prior_spread**2 + n * robust**2) / (_PRIOR_PAIRS + n)
    reach = _OUTLIER * np.sqrt(spread2)
    return np.clip(drift, median - reach, median + reach)
