"""Features of the beginning of a learning curve, from which its end is predicted.

Shapes: T trainings, E known epochs, H hyperparameters. Losses may be any per-epoch metric; rows
are trainings. A curve with NaN or infinity has no features: callers decide what that means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def curve_features(
    curves: ArrayLike, hyperparameters: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return each curve, its first and second differences, then the hyperparameters.

    Args:
        curves: shape (T, E), E >= 3, the known epochs of each training.
        hyperparameters: shape (T, H), numeric, already scaled (a learning rate as its
            logarithm, for example). None leaves them out.

    Returns:
        Shape (T, E + (E - 1) + (E - 2) + H).

    Raises:
        ValueError: the shapes do not fit, E < 3, or a value is not finite.
    """
    known = _finite_table(curves, "curves", min_columns=3)
    parts = [known, np.diff(known, axis=1), np.diff(known, n=2, axis=1)]
    if hyperparameters is not None:
        parts.append(_aligned(hyperparameters, len(known)))
    return np.concatenate(parts, axis=1)


def last_values(
    curves: ArrayLike, hyperparameters: ArrayLike | None = None, *, window: int = 5
) -> NDArray[np.float64]:
    """Return the summary (last value, minimum and slope of the last `window` epochs), then HPs.

    These three numbers carry nearly all information that a short curve has about its end. With few
    training rows they predict better than the whole curve.

    Args:
        curves: shape (T, E), E >= 1. Fewer than `window` epochs are all used.
        hyperparameters: shape (T, H) or None, as in `curve_features`.
        window: number of last epochs used, at least 1.

    Returns:
        Shape (T, 3 + H). The slope, per epoch, is that of a least-squares line; 0 for one epoch.

    Raises:
        ValueError: the shapes do not fit, `window` < 1, or a value is not finite.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    known = _finite_table(curves, "curves", min_columns=1)
    tail = known[:, -window:]
    epochs = np.arange(tail.shape[1]) - (tail.shape[1] - 1) / 2
    slope = tail @ epochs / max(float(epochs @ epochs), 1.0)
    parts = [np.stack([known[:, -1], tail.min(axis=1), slope], axis=1)]
    if hyperparameters is not None:
        parts.append(_aligned(hyperparameters, len(known)))
    return np.concatenate(parts, axis=1)


def _finite_table(values: ArrayLike, name: str, min_columns: int) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < min_columns:
        raise ValueError(f"{name} must be (T, >= {min_columns}), got shape {table.shape}")
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise ValueError(f"{name}: row {row} has a value that is not finite")
    return table


def _aligned(hyperparameters: ArrayLike, n_trainings: int) -> NDArray[np.float64]:
    table = _finite_table(hyperparameters, "hyperparameters", min_columns=1)
    if len(table) != n_trainings:
        raise ValueError(f"hyperparameters has {len(table)} rows for {n_trainings} curves")
    return table
