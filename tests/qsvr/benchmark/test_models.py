import numpy as np
import pytest

from qsvr.benchmark.models import CLASSICAL, LIVE, SIMULATED, UNTRAINED, Fit, Model, evaluate
from qsvr.benchmark.protocols import TrainingSpace, grouped_few


def test_r2_and_rho_of_a_prediction_by_hand():
    target, predicted = np.array([0.0, 1.0, 2.0]), np.array([[0.5, 1.0, 1.5]])
    fit = Fit(target, predicted)
    assert fit.r2() == pytest.approx([1 - 0.5 / 2])
    assert fit.rho == pytest.approx(1)
    assert fit.cpu_s == 0


def test_the_score_may_be_another_one():
    fit = Fit(np.array([0.0, 1.0]), np.array([[3.0, 4.0]]))
    assert fit.r2(lambda target, predicted: float(predicted[0] - target[1])) == [2.0]


def test_a_constant_prediction_has_no_rank_correlation():
    assert Fit(np.arange(3.0), np.ones((1, 3))).rho == 0


def test_variants_are_scored_one_by_one():
    target = np.array([0.0, 1.0, 2.0])
    fit = Fit(target, np.array([target, 2 - target]))
    assert fit.r2() == pytest.approx([1, -3])
    assert fit.rho == pytest.approx(0)


def test_annealed_and_classical_model_predict_nearly_the_same(table):
    fold = TrainingSpace(table, 3).fold(grouped_few(table, 0))
    fits = evaluate(fold, (CLASSICAL, SIMULATED), 0)
    assert list(fits) == [UNTRAINED, "SVR", "Sim-QSVR"]
    np.testing.assert_array_equal(fits[UNTRAINED].predicted, [fold[1].untrained])
    np.testing.assert_allclose(fits["SVR"].predicted, fits["Sim-QSVR"].predicted, atol=0.25)
    assert min(fits["SVR"].cpu_s, fits["Sim-QSVR"].cpu_s) > 0
    assert all(np.array_equal(fit.target, fold[1].target) for fit in fits.values())


def test_the_same_random_state_gives_the_same_prediction(table):
    fold = TrainingSpace(table, 3).fold(grouped_few(table, 0))
    first, again = (evaluate(fold, (SIMULATED,), 7)["Sim-QSVR"].predicted for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_annealed_models_are_paired_with_the_classical_one():
    assert SIMULATED.classical == LIVE.classical == CLASSICAL.name
    assert Model("m", CLASSICAL.predict).classical is None
