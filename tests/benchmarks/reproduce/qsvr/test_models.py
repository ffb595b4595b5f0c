import numpy as np
import pytest

from benchmarks.reproduce.qsvr.models import PUBLISHED_SVR, combinations
from benchmarks.reproduce.qsvr.protocols import (
    PublishedSpace,
    few_of_pool,
    first_few,
    swapped_r2,
)
from qsvr.benchmark.models import CLASSICAL, SIMULATED, Fit, evaluate


def test_combinations_weigh_solutions_by_their_training_error():
    solutions = np.arange(3.0)[:, None, None] * np.ones((3, 2, 4))
    errors = np.array([[0.2, 0.2], [0.1, 0.1], [0.4, 0.4]])
    found = combinations(solutions, errors)[:, 0, 0]
    weights = np.array([1 / 0.04, 1 / 0.01, 1 / 0.16])
    assert found[0] == pytest.approx(weights @ [0, 1, 2] / weights.sum())
    assert found[1] == pytest.approx(1)
    assert found[4:].tolist() == [1, 1, 0]


def test_the_published_svr_row_comes_out_to_the_digit(mlpf):
    space = PublishedSpace(mlpf, 25)
    swapped = []
    for seed in range(123, 1123):
        train, test = space.fold(first_few(mlpf, seed))
        predicted = np.atleast_2d(PUBLISHED_SVR.predict(train, test, 0))
        swapped += Fit(test.target, predicted).r2(swapped_r2)
    found = np.max(swapped), np.min(swapped), np.mean(swapped), np.std(swapped)
    np.testing.assert_allclose(found, (0.9572, 0.4373, 0.8904, 0.0478), atol=5e-5)


def test_twenty_trainings_beat_the_untrained_prediction_where_the_published_svr_does_not(mlpf):
    space = PublishedSpace(mlpf, 25)
    models = (PUBLISHED_SVR, CLASSICAL, SIMULATED)
    fits = [evaluate(space.fold(few_of_pool(mlpf, s)), models, s) for s in range(1000, 1010)]
    mean = {name: np.mean([fit[name].r2() for fit in fits]) for name in fits[0]}
    assert mean["SVR, published"] < mean["untrained"] < min(mean["SVR"], mean["Sim-QSVR"])
    assert np.mean([fit["Sim-QSVR"].rho for fit in fits]) > 0.965
