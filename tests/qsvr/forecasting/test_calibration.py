import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from qsvr.forecasting.calibration import Calibration, calibrate
from qsvr.forecasting.drift import DriftModel
from tests.qsvr.forecasting.memory import Memory


def curves(n, noise=0.1, seed=0):
    """z of shape (n, 4) with independent normal drifts."""
    rng = np.random.default_rng(seed)
    drift = -0.3 + noise * rng.normal(size=(n, 3))
    start = 0.3 * rng.normal(size=(n, 1))
    return np.concatenate([start, start + np.cumsum(drift, axis=1)], axis=1)


def calibrated(z, regressor=None):
    hyperparameters = np.random.default_rng(1).random((len(z), 1))
    return calibrate(DriftModel(regressor, True).fit(z, hyperparameters), z, hyperparameters)


@pytest.mark.parametrize("regressor", [None, LinearRegression()])
def test_right_forecasts_miss_one_end_in_ten_and_need_no_wider_spread(regressor):
    told = calibrated(curves(200), regressor)
    assert told.n == 600
    assert 0.05 * told.n < told.n_missed < 0.15 * told.n
    assert told.factor == pytest.approx(1.0, abs=0.15)


def test_drifts_that_go_together_need_a_wider_spread():
    z = curves(200, noise=0.0)
    trend = 0.1 * np.random.default_rng(2).normal(size=(200, 1))
    z += trend * np.arange(4)  # the model adds the steps up as if they were independent
    told = calibrated(z)
    assert told.factor > 1.2
    assert told.n_missed > 0.12 * told.n


def test_a_training_does_not_foretell_itself():
    z = curves(12, noise=0.0)
    z[0, 1:] -= 3.0  # nobody else has done that
    told = calibrated(z)
    assert told.n_missed >= 1
    model = DriftModel(None, True).fit(z, np.zeros((12, 0)))
    early = np.where(np.arange(4) < 1, z[:1], np.nan)
    first = np.zeros(1, np.intp)
    seen, *_ = model.predict(early, first, np.zeros((1, 0)))
    unseen, *_ = model.predict(early, first, np.zeros((1, 0)), left_out=first)
    assert seen[0] < unseen[0] == pytest.approx(z[0, 0] - 0.9, abs=0.2)


def test_a_regressor_foretells_a_training_by_the_models_that_have_not_seen_it():
    told, plain = calibrated(curves(200), Memory()), calibrated(curves(200))
    assert 0.7 < told.n_missed / plain.n_missed < 1.4


def test_nothing_is_told_before_a_training_is_complete():
    z = curves(5)
    z[:, -1] = np.nan
    assert calibrated(z) == Calibration(0, 0, 1.0)
