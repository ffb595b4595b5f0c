"""Tables of recorded trainings: hyperparameters and learning curves, one training per row.

Shapes: T trainings, E epochs, H hyperparameters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from commons.tables import read_table

Floats = NDArray[np.float64]

DIRECTIONS = ("minimize", "maximize")


@dataclass(frozen=True)
class LearningCurves:
    """Recorded trainings."""

    hyperparameters: Floats  # shape (T, H), finite, as in the table
    names: tuple[str, ...]  # of the hyperparameters
    curves: Floats  # shape (T, E), finite: the metric after each epoch
    direction: str = "minimize"  # or "maximize" the metric
    n_dropped: int = 0  # rows left out because a value was missing or not finite

    @property
    def losses(self) -> Floats:
        """The curves with the sign that makes smaller better, shape (T, E)."""
        return self.curves if self.direction == "minimize" else -self.curves

    def n_known(self, fraction: float) -> int:
        """Return how many epochs this fraction of a curve is, at least 1."""
        return max(1, round(fraction * int(self.curves.shape[1])))

    def groups(self) -> NDArray[np.intp]:
        """Return a number per training, shape (T,), shared by those of equal hyperparameters."""
        return np.unique(self.hyperparameters, axis=0, return_inverse=True)[1].ravel()


def read_curves(
    path: Path,
    hps: Sequence[str] | None = None,
    prefix: str = "loss_",
    direction: str = "minimize",
) -> LearningCurves:
    """Read a CSV file with a header: the columns prefix0, prefix1, ... are the curve.

    Args:
        path: the file.
        hps: columns that are hyperparameters. None takes all others, without those of other
            numbered series (acc_0, acc_1, acc_2 beside loss_0, ...), which are no input.
        prefix: of the curve's columns; "" where they are called 0, 1, 2, ...
        direction: "minimize" or "maximize" the metric.

    Raises:
        ValueError: the file is not there or no such table, a column is missing or holds text, or
            a name is used twice. The message names file and column.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be minimize or maximize, got {direction!r}")
    table = read_table(path)
    series = table.series(prefix)
    names = _hyperparameters(table.header, series) if hps is None else list(hps)
    if not names or set(names) & set(series):
        columns = ", ".join(table.header[:12])
        raise ValueError(f"{path}: hps: no column left, or one of the curve's; columns: {columns}")
    values = table.numbers([*names, *series])
    finite = np.isfinite(values).all(axis=1)
    if not finite.any():
        raise ValueError(f"{path}: no row without missing values")
    hyperparameters, known = np.hsplit(values[finite], [len(names)])
    n_dropped = int((~finite).sum())
    return LearningCurves(hyperparameters, tuple(names), known, direction, n_dropped)


def _hyperparameters(header: Sequence[str], series: Sequence[str]) -> list[str]:
    """All columns but the curve's and those of other series: prefix0, prefix1, prefix2, ..."""
    prefixes = {re.sub(r"\d+$", "", name) for name in header}
    left_out = set(series)
    for prefix in prefixes:
        numbered = list(takewhile(header.__contains__, (f"{prefix}{i}" for i in count())))
        left_out.update(numbered if len(numbered) > 2 else ())
    return [name for name in header if name not in left_out]
