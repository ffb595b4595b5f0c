"""Where learning curves go from one decision epoch to the next, and so where they end.

With the loss y_j of a training at decision epoch j (smaller is better) and a floor c below all
losses, z_j = log(y_j - c) changes by a *drift* z_{j+1} - z_j that is similar for trainings of
similar z_j. The model learns mean and spread of the drift of each step from all trainings that
have taken the step, stopped and running ones included. The end of a curve is its present z plus
the drifts still to come.

Shapes: T trainings, J decision epochs, H hyperparameters, P pairs (trainings that took a step).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import KFold

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Drift of the first step and its spread before any pair is known; both decay with the step.
_DRIFT, _SPREAD, _DECAY = -0.1, 0.3, 0.8
_PRIOR_PAIRS = 1.0  # number of pairs that weigh as much as this prior
_BANDWIDTH = 0.3  # difference of z at which a training has the weight exp(-1/2)
_OUTLIER = 2.0  # drifts farther from the median, in robust standard deviations, are clipped
_HP_WEIGHT = 0.25  # hyperparameters against the curve in the distance of two trainings
_MIN_PAIRS, _MAX_PAIRS = 6, 300  # of a regressor; more pairs do not help, and cost time
_N_FOLDS = 3


@dataclass(frozen=True)
class LogScale:
    """z = log(y - c), which is about linear in the logarithm of the epoch.

    Attributes:
        floor: c.
        least: the smallest y - c that is resolved.
    """

    floor: float
    least: float

    @classmethod
    def of(cls, values: Floats, epochs: Sequence[int]) -> LogScale:
        """Return the scale whose floor is a little below the best that curves are on the way to.

        That is the best value so far or, if it is lower, the best one after as many more
        doublings of the epochs as are left, each with the change of the last one.

        Args:
            values: shape (T, J), NaN where unknown, at least one known in the first column.
            epochs: the J decision epochs.
        """
        best = float(np.nanmin(values))
        span = float(np.nanmedian(values[:, 0])) - best
        span = span if span > 0 else max(abs(best), 1.0) * 1e-3  # nothing has moved yet
        room = max(0.11 * span, _still_to_come(values, epochs))
        return cls(best - room, 1e-9 * span)

    def __call__(self, values: Any) -> Floats:
        """Return z, NaN where a value is."""
        return np.log(np.maximum(np.asarray(values, np.float64) - self.floor, self.least))

    def inverse(self, z: Any) -> Floats:
        """Return the loss of a z."""
        return np.asarray(np.exp(z) + self.floor, np.float64)


def _still_to_come(values: Floats, epochs: Sequence[int]) -> float:
    """Return how far the longest curves will still fall if each doubling changes as the last."""
    last = int(np.flatnonzero(np.isfinite(values).any(axis=0))[-1])
    half = int(np.searchsorted(epochs, epochs[last] / 2, side="right")) - 1
    if not 0 <= half < last:
        return 0.0
    both = values[np.isfinite(values[:, last]) & np.isfinite(values[:, half])]
    if not len(both):
        return 0.0
    doublings = np.log2(epochs[last] / epochs[half]), np.log2(epochs[-1] / epochs[last])
    return float(np.median(both[:, half] - both[:, last]) / doublings[0] * doublings[1])


@dataclass(frozen=True)
class _Step:
    """The P pairs of one step and what was learned from them."""

    rows: Rows  # of the trainings in the table that was fitted
    start: Floats  # z before the step
    drift: Floats  # outliers clipped
    residual: Floats | None  # drift minus local mean and models that were not fitted to the pair
    # Regressors of the drift minus the local mean, each with the rows it was not fitted to.
    models: list[tuple[_Standardized, Rows]]


class DriftModel:
    """Forecasts the end of curves from the drifts of other curves.

    The regressor predicts, from (z, drift of the step before, hyperparameters), the drift minus
    the mean drift of the trainings of similar z. None: only the mean is used. Drifts that are
    outliers are clipped; with `keep_improvements` only those that make the loss worse, since a
    curve that leaves a plateau falls far more than the others.
    """

    def __init__(self, regressor: Any = None, keep_improvements: bool = False) -> None:
        self._regressor, self._keep_improvements = regressor, keep_improvements

    def fit(self, z: Floats, hyperparameters: Floats) -> DriftModel:
        """Learn the drifts of z, shape (T, J), NaN where a training has not arrived.

        The hyperparameters, shape (T, H), are in [0, 1].

        Raises:
            ValueError: the regressor cannot be fitted.
        """
        features = _features(z, hyperparameters)
        self._steps = []
        for j in range(z.shape[1] - 1):
            drift = z[:, j + 1] - z[:, j]
            took = np.flatnonzero(np.isfinite(drift))[-_MAX_PAIRS:]
            self._steps.append(self._learn(j, took, z[took, j], drift[took], features[took, j]))
        return self

    def predict(
        self,
        z: Floats,
        reached: Rows,
        hyperparameters: Floats,
        left_out: Rows | None = None,
    ) -> tuple[Floats, Floats, Floats]:
        """Return location, scale and degrees of freedom of z at the end, each of shape (T,).

        With a Student distribution for each step, as for the next one of a few normal numbers,
        that of their sum follows by Welch and Satterthwaite. `reached`, shape (T,), is the index
        of the last decision epoch of each training; z and hyperparameters are as in `fit`.
        `left_out`, shape (T,), are rows of `fit`, one for each training, that it does not learn
        from; None: it learns from all.
        """
        left_out = np.full(len(z), -1) if left_out is None else left_out
        rows = np.arange(len(z))
        mean, variance, spread4 = z[rows, reached].copy(), np.zeros(len(z)), np.zeros(len(z))
        before = np.where(reached > 0, mean - z[rows, np.maximum(reached - 1, 0)], 0.0)
        for j, step in enumerate(self._steps):
            on = reached <= j
            if not on.any():
                continue
            features = np.column_stack([mean[on], before[on], _HP_WEIGHT * hyperparameters[on]])
            drift, spread2, n = _next_drift(j, step, features, left_out[on])
            mean[on] += drift
            before[on] = drift
            variance[on] += spread2
            spread4[on] += spread2**2 / n
        freedom = variance**2 / np.maximum(spread4, np.finfo(float).tiny)
        return mean, np.sqrt(variance), np.maximum(freedom, 1.0)

    def _learn(self, j: int, rows: Rows, start: Floats, drift: Floats, features: Floats) -> _Step:
        drift = _clip_outliers(drift, _SPREAD * _DECAY**j, self._keep_improvements)
        if self._regressor is None or len(drift) < _MIN_PAIRS:
            return _Step(rows, start, drift, None, [])
        weights = _closeness(start, start)
        np.fill_diagonal(weights, 0.0)
        rest = drift - _local_mean(j, weights, drift)
        models, residual = [], np.empty_like(drift)
        for seen, fold in KFold(_N_FOLDS).split(features):
            model = _Standardized(clone(self._regressor)).fit(features[seen], rest[seen])
            residual[fold] = rest[fold] - model.predict(features[fold])
            models.append((model, rows[fold]))
        return _Step(rows, start, drift, residual, models)


def _next_drift(
    j: int, step: _Step, features: Floats, left_out: Rows
) -> tuple[Floats, Floats, Floats]:
    """Mean and variance of the drift of step j, and the pairs known, prior included."""
    weights = _closeness(features[:, 0], step.start)
    weights[left_out[:, None] == step.rows[None]] = 0.0
    mean = _local_mean(j, weights, step.drift)
    if step.residual is None:
        deviation2 = (step.drift[None] - mean[:, None]) ** 2
    else:
        deviation2 = step.residual[None] ** 2
        mean += _of_models(step.models, features, left_out)
    prior2 = (_SPREAD * _DECAY**j) ** 2
    n = weights.sum(axis=1) + _PRIOR_PAIRS
    variance = (_PRIOR_PAIRS * prior2 + (weights * deviation2).sum(axis=1)) / n
    return mean, variance * (1 + 1 / n), n  # 1 / n: the mean itself is uncertain


def _of_models(
    models: Sequence[tuple[_Standardized, Rows]], features: Floats, left_out: Rows
) -> Floats:
    """Mean of the models; where one was not fitted to the row that is left out, its prediction."""
    predicted = np.array([model.predict(features) for model, _ in models])
    unseen = np.array([np.isin(left_out, fold) for _, fold in models])
    shares = np.where(unseen.any(axis=0), unseen, 1 / len(models))
    return np.asarray((shares * predicted).sum(axis=0), np.float64)


def _closeness(z: Floats, start: Floats) -> Floats:
    """Weight of each pair (column) for each training (row)."""
    return np.asarray(np.exp(-0.5 * ((z[:, None] - start[None]) / _BANDWIDTH) ** 2), np.float64)


def _local_mean(j: int, weights: Floats, drift: Floats) -> Floats:
    prior = _DRIFT * _DECAY**j
    n = weights.sum(axis=1) + _PRIOR_PAIRS
    return np.asarray((_PRIOR_PAIRS * prior + weights @ drift) / n, np.float64)


class _Standardized:
    """A regressor of the drift whose inputs and target have mean 0, the target spread 1."""

    def __init__(self, regressor: Any) -> None:
        self._regressor = regressor

    def fit(self, features: Floats, drift: Floats) -> _Standardized:
        self._center, scale = features.mean(axis=0), features[:, :2].std(axis=0)
        self._scale = np.ones(features.shape[1])
        self._scale[:2] = np.where(scale > 0, scale, 1.0)  # hyperparameters keep their weight
        self._mean, self._spread = drift.mean(), drift.std() or 1.0
        self._regressor.fit(self._inputs(features), (drift - self._mean) / self._spread)
        return self

    def predict(self, features: Floats) -> Floats:
        predicted = np.asarray(self._regressor.predict(self._inputs(features)), np.float64)
        # A regressor does not extrapolate beyond the drifts that it was fitted to.
        return np.asarray(self._mean + self._spread * np.clip(predicted, -3.0, 3.0), np.float64)

    def _inputs(self, features: Floats) -> Floats:
        return np.asarray((features - self._center) / self._scale, np.float64)


def _features(z: Floats, hyperparameters: Floats) -> Floats:
    """Shape (T, J, 2 + H): z, the drift of the step before (0 at the first) and the HPs."""
    before = np.diff(z, axis=1, prepend=z[:, :1])
    hps = np.broadcast_to(
        _HP_WEIGHT * hyperparameters[:, None], (*z.shape, hyperparameters.shape[1])
    )
    return np.concatenate([z[..., None], before[..., None], hps], axis=2)


def _clip_outliers(drift: Floats, prior_spread: float, keep_improvements: bool) -> Floats:
    """Clip outliers: a curve jumps occasionally, and others rarely do so at the same step."""
    if len(drift) < 3:
        return drift
    median = np.median(drift)
    robust = 1.4826 * np.median(np.abs(drift - median))
    n = len(drift)
    spread2 = (_PRIOR_PAIRS * prior_spread**2 + n * robust**2) / (_PRIOR_PAIRS + n)
    reach = _OUTLIER * np.sqrt(spread2)
    least = -np.inf if keep_improvements else median - reach
    return np.clip(drift, least, median + reach)
