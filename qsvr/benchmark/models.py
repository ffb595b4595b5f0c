"""The predictors that are compared, and what they predict on one split.

Shapes: T test rows, V variants of a prediction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import r2_score
from sklearn.svm import SVR

from qsvr.benchmark.protocols import Fold, Trainings
from qsvr.estimator import QSVR
from qsvr.predictor import RelevanceRegressor

Floats = NDArray[np.float64]
R2 = Callable[[Floats, Floats], float]  # of the target and the prediction, both of shape (T,)
# What a model that learns from training rows predicts for test rows, with a random state: shape
# (T,), or (V, T) of several variants whose figures are pooled.
Predictor = Callable[[Trainings, Trainings, int], Floats]

BOX = 1.0  # of both models, classical and annealed, beside gamma 0.3 and epsilon 0.02
UNTRAINED = "untrained"


@dataclass(frozen=True)
class Model:
    """A predictor and its name in tables."""

    name: str
    predict: Predictor
    classical: str | None = None  # of an annealed model: the classical one it is paired with


@dataclass(frozen=True)
class Fit:
    """The predictions of one model on one split."""

    target: Floats  # shape (T,)
    predicted: Floats  # shape (V, T)
    cpu_s: float = 0.0  # of fit and prediction

    def r2(self, score: R2 = r2_score) -> list[float]:
        """Return the R2 of each variant."""
        return [float(score(self.target, each)) for each in self.predicted]

    @property
    def rho(self) -> float:
        """Spearman's rho, the mean of all variants."""
        return float(np.mean([_spearman(self.target, each) for each in self.predicted]))


def _svr(train: Trainings, test: Trainings, seed: int) -> Floats:
    del seed
    return _by_relevance(SVR(C=BOX, gamma=0.3, epsilon=0.02), train, test)


def _sim_qsvr(train: Trainings, test: Trainings, seed: int) -> Floats:
    return _by_relevance(QSVR(box=BOX, random_state=seed), train, test)


def _live_qsvr(train: Trainings, test: Trainings, seed: int) -> Floats:
    annealer = QSVR(box=BOX, sampler="qpu", n_reads=1000, random_state=seed)
    return _by_relevance(annealer, train, test)


def _by_relevance(regressor: object, train: Trainings, test: Trainings) -> Floats:
    model = RelevanceRegressor(regressor).fit(train.features, train.target)
    return model.predict(test.features)


# All on the features of `CurveScaler`, with the same kernel, tube and box.
CLASSICAL = Model("SVR", _svr)
SIMULATED = Model("Sim-QSVR", _sim_qsvr, "SVR")
LIVE = Model("QSVR, live QPU", _live_qsvr, "SVR")  # the token is in the environment


def evaluate(fold: Fold, models: Sequence[Model], seed: int) -> dict[str, Fit]:
    """Fit each model to the training rows and predict the test rows, untrained as well."""
    train, test = fold
    fits = {UNTRAINED: Fit(test.target, test.untrained[None])}
    for model in models:
        start = time.process_time()
        predicted = np.atleast_2d(model.predict(train, test, seed))
        fits[model.name] = Fit(test.target, predicted, time.process_time() - start)
    return fits


def _spearman(left: Floats, right: Floats) -> float:
    """Spearman's rho; 0 where one side is constant."""
    ranks = np.array([rankdata(left), rankdata(right)])
    if np.ptp(ranks, axis=1).min() == 0:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])
