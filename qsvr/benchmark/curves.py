"""Tables of recorded trainings: hyperparameters and learning curves, one training per row.

Shapes: T trainings, E epochs, H hyperparameters.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIRECTIONS = ("minimize", "maximize")


@dataclass(frozen=True)
class LearningCurves:
    """Recorded trainings.

    Attributes:
        hyperparameters: shape (T, H), finite, as in the table.
        names: of the hyperparameters, H of them.
        curves: shape (T, E), finite: the metric after each epoch.
        direction: "minimize" for a loss, "maximize" for an accuracy.
        n_dropped: rows of the table that were left out because a value was missing or not finite.
    """

    hyperparameters: Floats
    names: tuple[str, ...]
    curves: Floats
    direction: str = "minimize"
    n_dropped: int = 0

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
    *,
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
    header, rows = _read_rows(path)
    series = _series(header, prefix)
    if len(series) < 2:
        raise ValueError(f"{path}: no columns {prefix}0, {prefix}1; set prefix=")
    names = _hyperparameters(header, series) if hps is None else list(hps)
    missing = [name for name in names if name not in header]
    if missing or not names or set(names) & set(series):
        wrong = f"no column {missing[0]}" if missing else "no column left, or one of the curve's"
        raise ValueError(f"{path}: hps: {wrong}; columns: {', '.join(header[:12])}, ...")
    values = _numbers(path, header, rows, [*names, *series])
    finite = np.isfinite(values).all(axis=1)
    if not finite.any():
        raise ValueError(f"{path}: no row without missing values")
    kept = values[finite]
    return LearningCurves(
        hyperparameters=kept[:, : len(names)],
        names=tuple(names),
        curves=kept[:, len(names) :],
        direction=direction,
        n_dropped=int((~finite).sum()),
    )


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError:
        raise ValueError(f"curves={path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"curves={path}: not a CSV file ({error})") from None
    except ValueError:
        raise ValueError(f"curves={path}: the file is empty") from None
    names = [name.strip() for name in header]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: column {twice!r} occurs twice")
    return names, [row for row in rows if row]


def _series(header: Sequence[str], prefix: str) -> list[str]:
    """The columns prefix0, prefix1, ... up to the first that is missing."""
    names: list[str] = []
    while f"{prefix}{len(names)}" in header:
        names.append(f"{prefix}{len(names)}")
    return names


def _hyperparameters(header: Sequence[str], series: Sequence[str]) -> list[str]:
    prefixes = {re.sub(r"\d+$", "", name) for name in header if re.search(r"\d$", name)}
    numbered = {name for prefix in prefixes for name in _long_series(header, prefix)}
    return [name for name in header if name not in numbered and name not in series]


def _long_series(header: Sequence[str], prefix: str) -> list[str]:
    series = _series(header, prefix)
    return series if len(series) > 2 else []


def _numbers(
    path: Path, header: list[str], rows: list[list[str]], columns: Sequence[str]
) -> Floats:
    """The columns as numbers, an empty cell as NaN."""
    places = [header.index(name) for name in columns]
    table = np.empty((len(rows), len(columns)))
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{path}, row {number + 1}: {len(row)} of {len(header)} cells")
        for column, place in enumerate(places):
            cell = row[place].strip()
            try:
                table[number, column] = float(cell) if cell else np.nan
            except ValueError:
                place_name = f"{path}, row {number + 1}, column {columns[column]}"
                raise ValueError(f"{place_name}: {cell!r} is not a number") from None
    return table
