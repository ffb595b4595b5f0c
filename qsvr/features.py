"""Features of the beginning of a learning curve, from which its end is predicted.

Shapes: T trainings, E known epochs, H hyperparameters. Losses may be any per-epoch metric; rows
are trainings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def last_values(
    curves: ArrayLike, hyperparameters: ArrayLike | None = None, *, window: int = 5
) -> NDArray[np.float64]:
    """Return the summary (last value, minimum and slope of the last `window` epochs), then HPs.

    These three numbers carry nearly all information that a short curve has about its end. With few
    training rows they predict better than the whole curve.

    Args:
        curves: shape (T, E), E >= 1. Fewer than `window` epochs are all used.
        hyperparameters: shape (T, H), H >= 0, numeric, already scaled. None leaves them out.
        window: number of last epochs used, at least 1.

    Returns:
        Shape (T, 3 + H). The slope, per epoch, is that of a least-squares line; 0 for one epoch.

    Raises:
        ValueError: the shapes do not fit, `window` < 1, or a value is not finite.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    known = _finite_table(curves, "curves")
    tail = known[:, -window:]
    epochs = np.arange(tail.shape[1]) - (tail.shape[1] - 1) / 2
    slope = tail @ epochs / max(float(epochs @ epochs), 1.0)
    parts = [np.stack([known[:, -1], tail.min(axis=1), slope], axis=1)]
    if hyperparameters is not None:
        parts.append(_finite_table(hyperparameters, "hyperparameters", least=0))
        if len(parts[1]) != len(known):
            raise ValueError(f"hyperparameters has {len(parts[1])} rows for {len(known)} curves")
    return np.concatenate(parts, axis=1)


def _finite_table(values: ArrayLike, name: str, least: int = 1) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < least:
        raise ValueError(f"{name} must be (T, >= {least}), got shape {table.shape}")
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise ValueError(f"{name}: row {row} has a value that is not finite")
    return table
