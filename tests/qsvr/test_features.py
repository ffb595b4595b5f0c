import numpy as np
import pytest

from qsvr.features import last_values

HPS = np.array([[0.1, 3.0], [0.2, 4.0]])


def test_last_values_are_last_minimum_and_least_squares_slope_of_the_window():
    features = last_values([[100.0, 3.0, 1.0, 2.0]], window=3)
    np.testing.assert_allclose(features, [[2.0, 1.0, np.polyfit([0, 1, 2], [3, 1, 2], 1)[0]]])


def test_one_known_epoch_has_slope_zero():
    np.testing.assert_allclose(last_values([[7.0]], HPS[:1]), [[7.0, 7.0, 0.0, 0.1, 3.0]])


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([1.0, 2.0, 3.0], "got shape \\(3,\\)"),
        (np.empty((1, 0)), ">= 1"),
        ([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]], "row 1"),
    ],
)
def test_last_values_reject_what_they_cannot_use(curves, message):
    with pytest.raises(ValueError, match=message):
        last_values(curves)


def test_hyperparameters_of_another_length_are_rejected():
    with pytest.raises(ValueError, match="1 rows for 2 curves"):
        last_values([[1.0], [2.0]], HPS[:1])


def test_a_window_without_epochs_is_rejected():
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        last_values([[1.0]], window=0)
