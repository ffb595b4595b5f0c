"""Splits of a table of trainings, and the scales on which models see and predict them.

Shapes: T trainings, E epochs, H hyperparameters, P points of a known curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from qsvr.benchmark.curves import LearningCurves
from qsvr.predictor import N_FEW, CurveScaler, quantile_scaler

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

MIN_ROWS, MIN_EPOCHS, MIN_GROUPS = 20, 4, 10


@dataclass(frozen=True)
class Trainings:
    """Some rows of a table on the scale of models."""

    points: Floats  # quantiles of the loss at every second known epoch, shape (T, P)
    features: Floats  # of `CurveScaler`, shape (T, 3 + H)
    target: Floats  # quantiles of the final loss, shape (T,)

    @property
    def untrained(self) -> Floats:
        """The prediction without training: the quantile of the last known loss, shape (T,)."""
        return self.features[:, 0]

    def take(self, rows: Rows) -> Trainings:
        """Return some of the rows."""
        return Trainings(self.points[rows], self.features[rows], self.target[rows])


Split = tuple[Rows, Rows]  # training rows, test rows
Fold = tuple[Trainings, Trainings]
Splitter = Callable[[LearningCurves, int], Split]  # of a table and a random state


class Space(Protocol):
    """The scales on which models see a table of which `n_known` epochs are known."""

    def __init__(self, curves: LearningCurves, n_known: int) -> None: ...

    def fold(self, split: Split) -> Fold:
        """Return the training and the test rows."""


class TrainingSpace:
    """All scales fitted on the training rows; the target is the last epoch."""

    def __init__(self, curves: LearningCurves, n_known: int) -> None:
        self._curves, self._n_known = curves, n_known

    def fold(self, split: Split) -> Fold:
        """Return the training and the test rows."""
        train, test = split
        losses, hps = self._curves.losses, self._curves.hyperparameters
        both = scaled(losses[:, : self._n_known], hps, losses[:, -1:], train)
        return both.take(train), both.take(test)


def check_size(curves: LearningCurves) -> None:
    """Refuse a table that is too small to be split.

    Raises:
        ValueError: fewer than 20 rows, 4 epochs or 10 different configurations.
    """
    n_rows, n_epochs = curves.curves.shape
    if n_rows < MIN_ROWS or n_epochs < MIN_EPOCHS:
        needed = f"{MIN_ROWS} trainings of {MIN_EPOCHS} epochs"
        raise ValueError(f"curves: at least {needed} are needed, got {n_rows} of {n_epochs}")
    n_groups = len(set(curves.groups()))
    if n_groups < MIN_GROUPS:
        needed = f"{MIN_GROUPS} different configurations"
        raise ValueError(f"hps: at least {needed} are needed, got {n_groups}")


def scaled(known: Floats, hps: Floats, target: Floats, fit_on: Rows) -> Trainings:
    """Return all rows on scales fitted on some: `known` (T, E), `hps` (T, H), `target` (T, 1)."""
    quantiles = quantile_scaler(len(fit_on))
    points = quantiles.fit(known[fit_on, ::2]).transform(known[:, ::2])
    scaler = CurveScaler().fit(known[fit_on], hps[fit_on])
    final = quantile_scaler(len(fit_on)).fit(target[fit_on]).transform(target)
    return Trainings(points, scaler.transform(known, hps), final.ravel())


def grouped_few(curves: LearningCurves, seed: int) -> Split:
    """Half of the configurations are test rows, 20 rows of the others are training rows."""
    train, test = _grouped(curves, 0.5, seed)
    return few(train, seed), test


def grouped_most(curves: LearningCurves, seed: int) -> Split:
    """80 % of the configurations are training rows."""
    return _grouped(curves, 0.2, seed)


def few(rows: Rows, seed: int) -> Rows:
    """Return 20 random rows, as many as fit a quantum annealer; all if there are fewer."""
    if len(rows) <= N_FEW:
        return rows
    chosen, _ = train_test_split(rows, train_size=N_FEW, random_state=seed)
    return np.asarray(chosen)


def _grouped(curves: LearningCurves, test_size: float, seed: int) -> Split:
    groups = curves.groups()
    splitter = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
    train, test = next(splitter.split(groups, groups=groups))
    return train, test
