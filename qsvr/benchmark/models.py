"""The predictors that are compared, and their score on one split."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR

from qsvr.annealing.qubo import TwoSidedEncoding
from qsvr.annealing.samplers import lowest_states, make_sampler
from qsvr.benchmark import published
from qsvr.benchmark.protocols import Fold, Trainings
from qsvr.estimator import QSVR
from qsvr.predictor import RelevanceRegressor

Floats = NDArray[np.float64]

GAMMA, EPSILON, C, XI = 0.1, 0.02, 67.61, 0.01  # the published parameters
N_COMBINED = 4  # solutions that the published predictor combines
BOX = 1.0  # of our own models, classical and annealed, beside gamma 0.3 and epsilon 0.02

# Predictions of the test rows, shape (n_variants, T): several only where methods are pooled.
Predictor = Callable[[Trainings, Trainings, int], Floats]


@dataclass(frozen=True)
class Score:
    """One fit: R2 of each variant in both orders of arguments, Spearman's rho, CPU seconds."""

    r2: tuple[float, ...]
    swapped: tuple[float, ...]
    rho: float
    cpu_s: float


def svr_published(train: Trainings, test: Trainings, seed: int) -> Floats:
    """Classical SVR on every second epoch, C = 67.61."""
    del seed
    model = SVR(C=C, gamma=GAMMA, epsilon=EPSILON).fit(train.points, train.target)
    return np.atleast_2d(model.predict(test.points))


def sim_qsvr_published(train: Trainings, test: Trainings, seed: int) -> Floats:
    """The published QUBO by simulated annealing; its seven combinations of four solutions.

    The anneal is shorter than the published one (300 reads of 300 sweeps instead of 1000 of
    1000) and follows the temperatures of `qsvr.annealing.samplers`, which find energies as low.
    """
    encoding = TwoSidedEncoding(n_bits=3, base=0.5, k0=0.005)
    kernel = rbf_kernel(train.points, gamma=GAMMA)
    q, offset = encoding.qubo(kernel, train.target, EPSILON, XI)
    sampler = make_sampler("simulated_annealing")
    bits, _ = lowest_states(sampler, q, offset, n_reads=300, n_sweeps=300, seed=seed)
    solutions = np.stack(encoding.multipliers(bits[:N_COMBINED]), axis=1)
    errors = [predict_published(train, train, each) - train.target for each in solutions]
    combined = combinations(solutions, np.array(errors))
    return np.array([predict_published(train, test, each) for each in combined])


def predict_published(train: Trainings, test: Trainings, alphas: Floats) -> Floats:
    """Return what multipliers, shape (2, N), predict for the test rows, shape (T,)."""
    return published.predict(
        test.points, train.points, train.target, alphas, gamma=GAMMA, epsilon=EPSILON, c=C
    )


def combinations(solutions: Floats, errors: Floats) -> Floats:
    """Return the seven published averages of solutions.

    Weights are 1/MSE, its softmax, the same two of the mean log cosh, all on the best MSE, equal,
    all on the first. The recorded runs used weights that differ a little and are not published.

    Args:
        solutions: multipliers, shape (S, 2, N), lowest energy first.
        errors: of each solution on the training rows, shape (S, N).

    Returns:
        Shape (7, 2, N).
    """
    mse, log_cosh = (errors**2).mean(axis=1), np.log(np.cosh(errors)).mean(axis=1)
    first, best = np.eye(len(mse))[0], np.eye(len(mse))[mse.argmin()]
    weights = [
        1 / mse, _softmax(1 / mse), 1 / log_cosh, _softmax(1 / log_cosh),
        best, np.ones(len(mse)), first,
    ]  # fmt: skip
    shares = np.array([each / each.sum() for each in weights])
    return np.asarray(np.tensordot(shares, solutions, axes=1))


def _softmax(values: Floats) -> Floats:
    return np.asarray(np.exp(values - values.max()))


def svr(train: Trainings, test: Trainings, seed: int) -> Floats:
    """Classical SVR on the features of `CurveScaler`, hyperparameters by relevance."""
    del seed
    model = RelevanceRegressor(SVR(C=BOX, gamma=0.3, epsilon=0.02))
    return np.atleast_2d(model.fit(train.features, train.target).predict(test.features))


def sim_qsvr(train: Trainings, test: Trainings, seed: int) -> Floats:
    """The same with QSVR: same kernel, tube and box, by simulated annealing."""
    model = RelevanceRegressor(QSVR(box=BOX, random_state=seed))
    return np.atleast_2d(model.fit(train.features, train.target).predict(test.features))


def live_qsvr(train: Trainings, test: Trainings, seed: int) -> Floats:
    """The same on a quantum annealer, whose token is in the environment."""
    from qsvr.annealing.qpu import QPUSampler

    annealer = QSVR(box=BOX, sampler=QPUSampler(), n_reads=1000, random_state=seed)
    model = RelevanceRegressor(annealer)
    return np.atleast_2d(model.fit(train.features, train.target).predict(test.features))


MODELS: dict[str, Predictor] = {
    "SVR, published": svr_published,
    "Sim-QSVR, published": sim_qsvr_published,
    "SVR": svr,
    "Sim-QSVR": sim_qsvr,
    "QSVR, live QPU": live_qsvr,
}
UNTRAINED = "untrained"


def evaluate(fold: Fold, models: Sequence[str], seed: int) -> dict[str, Score]:
    """Fit each model to a fold and score it; the untrained prediction as well."""
    train, test = fold
    scores = {UNTRAINED: score(test.target, test.untrained[None], 0.0)}
    for name in models:
        start = time.process_time()
        predicted = MODELS[name](train, test, seed)
        scores[name] = score(test.target, predicted, time.process_time() - start)
    return scores


def score(target: Floats, predicted: Floats, cpu_s: float) -> Score:
    """Return the score of predictions, shape (n_variants, T), of a target, shape (T,)."""
    return Score(
        r2=tuple(float(r2_score(target, each)) for each in predicted),
        swapped=tuple(float(r2_score(each, target)) for each in predicted),
        rho=float(np.mean([_spearman(target, each) for each in predicted])),
        cpu_s=cpu_s,
    )


def _spearman(left: Floats, right: Floats) -> float:
    """Spearman's rho; 0 where one side is constant."""
    ranks = np.array([rankdata(left), rankdata(right)])
    if np.ptp(ranks, axis=1).min() == 0:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])
