from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import NuSVR

from qsvr.features import curve_features, last_values

CURVES_CSV = Path(__file__).parents[3] / "shared/data/curves/mlpf_delphes.csv"
HPS = np.array([[0.1, 3.0], [0.2, 4.0]])


def test_features_are_the_curve_its_differences_and_the_hyperparameters():
    features = curve_features([[9.0, 5.0, 4.0], [8.0, 8.0, 2.0]], HPS)
    np.testing.assert_allclose(
        features,
        [[9, 5, 4, -4, -1, 3, 0.1, 3], [8, 8, 2, 0, -6, -6, 0.2, 4]],
    )


def test_last_values_are_last_minimum_and_least_squares_slope_of_the_window():
    features = last_values([[100.0, 3.0, 1.0, 2.0]], window=3)
    np.testing.assert_allclose(features, [[2.0, 1.0, np.polyfit([0, 1, 2], [3, 1, 2], 1)[0]]])


def test_one_known_epoch_has_slope_zero():
    np.testing.assert_allclose(last_values([[7.0]], HPS[:1]), [[7.0, 7.0, 0.0, 0.1, 3.0]])


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([1.0, 2.0, 3.0], "got shape \\(3,\\)"),
        ([[1.0, 2.0]], ">= 3"),
        ([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]], "row 1"),
    ],
)
def test_curve_features_reject_what_they_cannot_use(curves, message):
    with pytest.raises(ValueError, match=message):
        curve_features(curves)


def test_hyperparameters_of_another_length_are_rejected():
    with pytest.raises(ValueError, match="1 rows for 2 curves"):
        last_values([[1.0], [2.0]], HPS[:1])


def test_a_window_without_epochs_is_rejected():
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        last_values([[1.0]], window=0)


@pytest.mark.skipif(not CURVES_CSV.is_file(), reason=f"{CURVES_CSV} is not there")
def test_full_features_of_real_trainings_predict_the_final_loss():
    table = np.genfromtxt(CURVES_CSV, delimiter=",", names=True)
    hps = np.stack([table[name] for name in table.dtype.names if "loss" not in name], axis=1)
    losses = np.stack([table[f"loss_{epoch}"] for epoch in range(100)], axis=1)
    features, final = curve_features(losses[:, :25], hps), losses[:, -1]
    order = np.random.default_rng(123).permutation(len(final))
    train, test = order[:236], order[236:]
    model = make_pipeline(MinMaxScaler(), NuSVR(C=100.0))
    predicted = model.fit(features[train], final[train]).predict(features[test])
    ranks = np.argsort(np.argsort([predicted, final[test]], axis=1), axis=1)
    assert np.corrcoef(ranks)[0, 1] > 0.9
