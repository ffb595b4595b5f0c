"""How well forecasts covered what happened, and how much wider they must be to do so.

Shapes: T trainings, J decision epochs, C complete trainings, H hyperparameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from qsvr.forecasting.drift import DriftModel

Floats = NDArray[np.float64]

_TAIL = 0.1  # of all ends that a calibrated forecast puts into its better tail


@dataclass(frozen=True)
class Calibration:
    """Forecasts of complete trainings at each of their decision epochs, against their ends.

    Attributes:
        n: forecasts that were compared.
        n_missed: those whose training ended better than the forecast allows with a probability of
            0.1; about n / 10 if the forecasts are right, more if they are too pessimistic.
        factor: by which spreads must be multiplied so that a tenth is missed, at least 1.
    """

    n: int
    n_missed: int
    factor: float


def calibrate(model: DriftModel, z: Floats, hyperparameters: Floats) -> Calibration:
    """Compare the ends of complete trainings with forecasts by all other trainings.

    Args:
        model: fitted to z and the hyperparameters.
        z: shape (T, J), NaN where a training has not arrived.
        hyperparameters: shape (T, H), in [0, 1].
    """
    complete = np.flatnonzero(np.isfinite(z).all(axis=1))
    deviates = _deviates(model, z[complete], hyperparameters[complete], complete)
    if not deviates.size:
        return Calibration(0, 0, 1.0)
    limit = -float(ndtri(_TAIL))
    needed = float(np.quantile(deviates, 1 - _TAIL)) / limit
    return Calibration(deviates.size, int((deviates > limit).sum()), max(1.0, needed))


def _deviates(
    model: DriftModel, z: Floats, hyperparameters: Floats, rows: NDArray[np.intp]
) -> Floats:
    """How much better each training ended than was foretold, as a normal deviate: (J - 1, C)."""
    steps = range(z.shape[1] - 1) if len(z) else range(0)
    deviates = np.zeros((len(steps), len(z)))
    for j in steps:
        early, reached = z.copy(), np.full(len(z), j)
        early[:, j + 1 :] = np.nan
        mean, spread, freedom = model.predict(early, reached, hyperparameters, rows)
        tail = stdtr(freedom, (z[:, -1] - mean) / spread)
        deviates[j] = -ndtri(np.maximum(tail, np.finfo(float).tiny))
    return deviates
