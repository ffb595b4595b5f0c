"""The splits and scales of the published comparison, kept with their defects.

Scalers are fitted on all rows, the target is the last epoch but one, the worst training is left
out, and trainings with equal hyperparameters lie on both sides of a split. Source:
https://github.com/JP-Amboage/performance-pred
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from qsvr.benchmark.curves import LearningCurves
from qsvr.benchmark.protocols import Floats, Fold, Split, few, scaled
from qsvr.predictor import N_FEW

N_POOL = 79  # rows from which the published notebooks drew the 20


def swapped_r2(target: Floats, predicted: Floats) -> float:
    """Return R2 with its arguments swapped, as published."""
    return float(r2_score(predicted, target))


def without_worst(curves: LearningCurves) -> NDArray[np.bool_]:
    """Return which rows are kept: all except those of the largest final loss."""
    final = curves.losses[:, -1]
    return np.asarray(final != final.max())


class PublishedSpace:
    """All scales fitted on all rows, those of the tests included; the target is loss E - 2."""

    def __init__(self, curves: LearningCurves, n_known: int) -> None:
        kept = without_worst(curves)
        losses, hps = curves.losses[kept], curves.hyperparameters[kept]
        self.n_rows = len(losses)
        everything = np.arange(self.n_rows)
        self._all = scaled(losses[:, :n_known], hps, losses[:, -2:-1], everything)

    def fold(self, split: Split) -> Fold:
        """Return the training and the test rows."""
        train, test = split
        return self._all.take(train), self._all.take(test)


def first_few(curves: LearningCurves, seed: int) -> Split:
    """Half of the rows are tests, the first 20 others train: the final published SVR notebook."""
    train, test = _halves(curves, seed)
    return train[:N_FEW], test


def few_of_pool(curves: LearningCurves, seed: int) -> Split:
    """Half of the rows are tests, 20 of the first 79 others train: the published QSVR notebook."""
    train, test = _halves(curves, seed)
    return few(train[:N_POOL], seed), test


def most(curves: LearningCurves, seed: int) -> Split:
    """80 % of the rows are training rows."""
    n_rows = int(without_worst(curves).sum())
    train, test = train_test_split(np.arange(n_rows), test_size=0.2, random_state=seed)
    return train, test


def _halves(curves: LearningCurves, seed: int) -> Split:
    n_rows = int(without_worst(curves).sum())
    train, test = train_test_split(np.arange(n_rows), test_size=0.5, random_state=seed)
    return train, test
