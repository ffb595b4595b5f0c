"""Splits of a table of trainings, and the scales on which models see and predict them.

Shapes: T trainings, E epochs, H hyperparameters, P points of a known curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from qsvr.benchmark.curves import LearningCurves
from qsvr.predictor import CurveScaler, quantile_scaler

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

N_FEW = 20  # training rows that fit a quantum annealer with the published encoding
N_POOL = 79  # rows from which the published notebooks drew the 20
MIN_ROWS, MIN_EPOCHS, MIN_GROUPS = 20, 4, 10


@dataclass(frozen=True)
class Trainings:
    """Some rows of a table on the scale of models.

    Attributes:
        points: quantiles of the loss at every second known epoch, shape (T, P).
        features: of `CurveScaler`, shape (T, 3 + H).
        target: quantiles of the final loss, shape (T,).
    """

    points: Floats
    features: Floats
    target: Floats

    @property
    def untrained(self) -> Floats:
        """The prediction without training: the quantile of the last known loss, shape (T,)."""
        return self.features[:, 0]

    def take(self, rows: Rows) -> Trainings:
        """Return some of the rows."""
        return Trainings(self.points[rows], self.features[rows], self.target[rows])


Split = tuple[Rows, Rows]  # training rows, test rows
Fold = tuple[Trainings, Trainings]


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


def without_worst(curves: LearningCurves) -> NDArray[np.bool_]:
    """Return which rows the published protocol keeps: all but those of the largest final loss."""
    final = curves.losses[:, -1]
    return np.asarray(final != final.max())


class PublishedSpace:
    """All scales fitted on all rows, those of the tests included; the target is loss E - 2."""

    def __init__(self, curves: LearningCurves, n_known: int) -> None:
        kept = without_worst(curves)
        losses, hps = curves.losses[kept], curves.hyperparameters[kept]
        self.n_rows = len(losses)
        everything = np.arange(self.n_rows)
        self._all = _scaled(losses, hps, n_known, losses[:, -2:-1], everything)

    def fold(self, split: Split) -> Fold:
        """Return the training and the test rows."""
        train, test = split
        return self._all.take(train), self._all.take(test)


class CorrectedSpace:
    """All scales fitted on the training rows; the target is the last epoch."""

    def __init__(self, curves: LearningCurves, n_known: int) -> None:
        self._curves, self._n_known = curves, n_known

    def fold(self, split: Split) -> Fold:
        """Return the training and the test rows on the scales of the training rows."""
        train, test = split
        losses, hps = self._curves.losses, self._curves.hyperparameters
        both = _scaled(losses, hps, self._n_known, losses[:, -1:], train)
        return both.take(train), both.take(test)


def _scaled(losses: Floats, hps: Floats, n_known: int, target: Floats, fit_on: Rows) -> Trainings:
    known = losses[:, :n_known]
    quantiles = quantile_scaler(len(fit_on))
    points = quantiles.fit(known[fit_on, ::2]).transform(known[:, ::2])
    scaler = CurveScaler().fit(known[fit_on], hps[fit_on])
    final = quantile_scaler(len(fit_on)).fit(target[fit_on]).transform(target)
    return Trainings(points, scaler.transform(known, hps), final.ravel())


Splitter = Callable[[LearningCurves, int], Split]


def first_few(curves: LearningCurves, seed: int) -> Split:
    """Half of the rows are tests, the first 20 others train: the final published SVR notebook."""
    train, test = _halves(curves, seed)
    return train[:N_FEW], test


def few_of_pool(curves: LearningCurves, seed: int) -> Split:
    """Half of the rows are tests, 20 of the first 79 others train: the published QSVR notebook."""
    train, test = _halves(curves, seed)
    return _few(train[:N_POOL], seed), test


def most(curves: LearningCurves, seed: int) -> Split:
    """80 % of the rows train."""
    n_rows = int(without_worst(curves).sum())
    train, test = train_test_split(np.arange(n_rows), test_size=0.2, random_state=seed)
    return train, test


def grouped_few(curves: LearningCurves, seed: int) -> Split:
    """Half of the HP configurations are tests, 20 rows of the others train."""
    train, test = _grouped(curves, 0.5, seed)
    return _few(train, seed), test


def grouped_most(curves: LearningCurves, seed: int) -> Split:
    """80 % of the HP configurations train."""
    return _grouped(curves, 0.2, seed)


def _halves(curves: LearningCurves, seed: int) -> Split:
    n_rows = int(without_worst(curves).sum())
    train, test = train_test_split(np.arange(n_rows), test_size=0.5, random_state=seed)
    return train, test


def _few(rows: Rows, seed: int) -> Rows:
    if len(rows) <= N_FEW:
        return rows
    few, _ = train_test_split(rows, train_size=N_FEW, random_state=seed)
    return np.asarray(few)


def _grouped(curves: LearningCurves, test_size: float, seed: int) -> Split:
    groups = curves.groups()
    splitter = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
    train, test = next(splitter.split(groups, groups=groups))
    return train, test
