"""The predictor of the published quantum SVR, unchanged so that its numbers can be repeated.

Source: QSVR_extended.py of https://github.com/JP-Amboage/performance-pred, which predicts from the
multipliers alpha and alphahat of a solution. `qsvr.estimator` does not use it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import rbf_kernel

Floats = NDArray[np.float64]

ZERO = 1e-8  # multipliers up to here are no support vectors: weights of e**-60 occur


def predict(
    X: ArrayLike,
    support_vectors: ArrayLike,
    y: ArrayLike,
    alphas: ArrayLike,
    *,
    gamma: float,
    epsilon: float,
    c: float,
) -> Floats:
    """Return f(x) + b of given multipliers, with f(x) = sum_n (alpha_n - alphahat_n) k(x_n, x).

    b is the mean of y_n - epsilon - f(x_n) over the points with 0 < alpha_n < C and those with
    0 < alphahat_n < C, where up to 1e-8 counts as 0. Known defects, kept:

    - alphahat_n > 0 means that the curve lies above y_n, so its term should be + epsilon;
    - a point with both multipliers positive, which the encoding allows, counts twice;
    - C (67.61) is not the box of the problem (1.756), so multipliers at the box count as free.

    Args:
        X: shape (T, F).
        support_vectors: the training samples x_n, shape (N, F).
        y: their targets, shape (N,).
        alphas: alpha and alphahat, shape (2, N).
        gamma: of the kernel exp(-gamma |x - x'|^2).
        epsilon: half width of the tube, in units of y.
        c: C, the upper limit of what counts as a free multiplier.

    Returns:
        Shape (T,), in units of y.

    Raises:
        ValueError: the shapes do not fit, or no alpha or no alphahat is free (there the original
            raises C by 0.1 until one is, possibly forever).
    """
    both, target = np.asarray(alphas, np.float64), np.asarray(y, np.float64)
    if both.shape != (2, len(target)):
        raise ValueError(f"alphas must be (2, {len(target)}), got shape {both.shape}")
    delta = both[0] - both[1]
    residuals = target - epsilon - rbf_kernel(support_vectors, support_vectors, gamma) @ delta
    free = (both > ZERO) & (both < c)
    if not free.any(axis=1).all():
        raise ValueError(f"no alpha or no alphahat is between 0 and C = {c}: no bias")
    bias = np.broadcast_to(residuals, both.shape)[free].mean()
    return np.asarray(rbf_kernel(X, support_vectors, gamma) @ delta + bias, np.float64)
