"""Recorded learning curves: a CSV file with one training per line.

Columns of hyperparameters (numbers), and one column per epoch: `loss_0`, `loss_1`, ... or with
another prefix. An empty cell, nan or inf means that the training diverged there or ended.

Shapes: T trainings, H hyperparameters, E epochs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from commons.tables import Table, read_table
from commons.unit_cube import to_unit

Floats = NDArray[np.float64]
_LOG_SPAN = 1000.0  # a positive column over three decades or more is searched by its logarithm
_LARGEST = 1e300  # so that the difference of two values is finite
_MAX_CHOICES = 10  # an integer column with at most as many uneven values is categorical


@dataclass(frozen=True)
class CurveTable:
    """Learning curves of recorded trainings.

    Attributes:
        names: of the H hyperparameters.
        hyperparameters: shape (T, H).
        curves: shape (T, E), the objective after each epoch; not finite: diverged.
        direction: "minimize" or "maximize".
        sha256: of the file.
        space: distribution of each hyperparameter; None: inferred from the columns.
        epoch_s: shape (T,), seconds of an epoch; None: unknown.
    """

    names: tuple[str, ...]
    hyperparameters: Floats
    curves: Floats
    direction: str = "minimize"
    sha256: str = ""
    space: dict[str, BaseDistribution] | None = None
    epoch_s: Floats | None = None

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def n_epochs(self) -> int:
        """E, the length of a full training."""
        return int(self.curves.shape[1])

    @cached_property
    def losses(self) -> Floats:
        """Shape (T, E): small is good in either direction; inf from where a training diverged."""
        diverged = np.logical_or.accumulate(~np.isfinite(self.curves), axis=1)
        sign = -1.0 if self.direction == "maximize" else 1.0
        return np.where(diverged, np.inf, sign * self.curves)

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The search space, by name."""
        return self.space or {
            name: infer_distribution(column)
            for name, column in zip(self.names, self.hyperparameters.T, strict=True)
        }

    @cached_property
    def unit_cube(self) -> Floats:
        """Shape (T, H): the hyperparameters in [0, 1], see `to_unit`."""
        columns = zip(self.distributions.values(), self.hyperparameters.T, strict=True)
        return np.column_stack([to_unit(d, column) for d, column in columns])

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """Shape (T,): trainings of the same configuration have the same number, from 0."""
        inverse = np.unique(self.hyperparameters, axis=0, return_inverse=True)[1]
        return np.asarray(inverse.reshape(-1), dtype=np.intp)

    def params(self, row: int) -> dict[str, Any]:
        """Return the hyperparameters of a training with Optuna's types."""
        items = zip(self.distributions.items(), self.hyperparameters[row], strict=True)
        return {
            name: float(value) if isinstance(distribution, FloatDistribution) else int(value)
            for (name, distribution), value in items
        }

    def nearest(self, params: dict[str, Any], rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return which of `rows` have the configuration nearest to `params`.

        The distance is Euclidean in the unit cube.
        """
        columns = self.distributions.items()
        point = [float(to_unit(d, np.asarray(params[name]))) for name, d in columns]
        distances = np.square(self.unit_cube[rows] - point).sum(axis=1)
        closest: NDArray[np.intp] = rows[distances == distances.min()]
        return closest

    def without(self, rows: Sequence[int] | NDArray[np.intp]) -> CurveTable:
        """Return the table without these rows, on the same search space."""
        hyperparameters = np.delete(self.hyperparameters, rows, axis=0)
        curves = np.delete(self.curves, rows, axis=0)
        epoch_s = None if self.epoch_s is None else np.delete(self.epoch_s, rows)
        return replace(
            self,
            hyperparameters=hyperparameters,
            curves=curves,
            space=self.distributions,
            epoch_s=epoch_s,
        )


def infer_distribution(column: Floats) -> BaseDistribution:
    """Return the distribution that a column of hyperparameters seems to come from.

    Integers in equal steps give an integer range with that step, a few integers in unequal steps
    ascending choices, all others a range, logarithmic if positive over at least three decades.
    """
    values = np.unique(column)
    low, high = values[0], values[-1]
    log = bool(low > 0 and high >= _LOG_SPAN * low)
    if not np.array_equal(values, np.round(values)):
        return FloatDistribution(float(low), float(high), log=log)
    steps = np.unique(np.diff(values))
    if len(steps) <= 1:
        return IntDistribution(int(low), int(high), step=int(steps[0]) if len(steps) else 1)
    if len(values) <= _MAX_CHOICES:
        return CategoricalDistribution([int(value) for value in values])
    return IntDistribution(int(low), int(high), log=log)


def read_curves(
    path: Path,
    hps: Sequence[str] | None = None,
    prefix: str = "loss_",
    direction: str = "minimize",
    epoch_s: str | None = None,
) -> CurveTable:
    """Read a table of learning curves.

    Args:
        path: a CSV file with a header line.
        hps: names of the hyperparameter columns; None: every named column without the prefix.
        prefix: the columns prefix0, prefix1, ... hold the objective after each epoch.
        direction: "minimize" or "maximize".
        epoch_s: name of a column with the seconds of an epoch, which is no hyperparameter.

    Raises:
        ValueError: file, column or direction does not fit; the message names it.
    """
    if direction not in ("minimize", "maximize"):
        raise ValueError(f"direction must be minimize or maximize, got {direction}")
    file = read_table(path)
    epochs = file.series(prefix)
    names = tuple(hps) if hps else _other_columns(file, epochs, epoch_s)
    if overlap := [name for name in names if name in epochs]:
        raise ValueError(f"hps: {overlap[0]} is a column of the curves")
    hyperparameters = file.numbers(names)
    if not np.isfinite(hyperparameters).all():
        row, column = np.argwhere(~np.isfinite(hyperparameters))[0]
        where = f"{path}, line {file.lines[row]}"
        raise ValueError(f"{where}: hyperparameter {names[column]} is missing")
    if (np.abs(hyperparameters) > _LARGEST).any():
        column = np.argwhere(np.abs(hyperparameters) > _LARGEST)[0][1]
        raise ValueError(f"{path}: hyperparameter {names[column]} is beyond +-{_LARGEST:g}")
    table = CurveTable(
        names,
        hyperparameters,
        file.numbers(epochs),
        direction,
        file.sha256,
        epoch_s=None if epoch_s is None else _seconds(file, epoch_s),
    )
    if not np.isfinite(table.losses[:, -1]).any():
        raise ValueError(f"{path}: no training has a value in column {epochs[-1]}")
    return table


def _seconds(file: Table, name: str) -> Floats:
    seconds: Floats = file.numbers([name])[:, 0]
    if not ((seconds > 0) & np.isfinite(seconds)).all():
        line = file.lines[int(np.argmin((seconds > 0) & np.isfinite(seconds)))]
        raise ValueError(f"{file.path}, line {line}: {name} is no time of an epoch (seconds > 0)")
    return seconds


def _other_columns(file: Table, epochs: tuple[str, ...], epoch_s: str | None) -> tuple[str, ...]:
    known = {"", epoch_s, *epochs}
    others = tuple(name for name in file.header if name not in known)
    stems = [re.sub(r"\d+$", "", name) for name in others]
    for stem in set(stems):
        if stems.count(stem) >= len(epochs):
            raise ValueError(f"{file.path}: {stem}0, ... look like other curves; set hps=[...]")
    if not others:
        raise ValueError(f"{file.path}: no column of hyperparameters")
    return others
