import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from qsvr.estimator import QSVR
from qsvr.predictor import CurvePredictor, CurveScaler, RelevanceRegressor, relevance


@pytest.fixture
def trainings():
    """Curves whose end follows from a learning rate that the first epochs do not show."""
    rng = np.random.default_rng(0)
    log_lr, noise = rng.uniform(-5, -1, 80), rng.uniform(size=80)
    final = 1 + (log_lr + 3) ** 2 / 4 + 0.02 * rng.normal(size=80)
    epochs = np.arange(1, 41)
    curves = final[:, None] + (2 + noise[:, None]) * np.exp(-epochs / 8)
    return curves, np.stack([10**log_lr, noise], axis=1)


def test_scales_come_from_the_training_rows_only(trainings):
    curves, hps = trainings
    scaler = CurveScaler().fit(curves[:20, :10], hps[:20])
    before = scaler.transform(curves[:20, :10], hps[:20])
    changed = curves.copy()
    changed[20:] *= 100
    scaler.transform(changed[20:, :10], hps[20:] * 7)
    np.testing.assert_array_equal(scaler.transform(changed[:20, :10], hps[:20]), before)


def test_curve_features_are_quantiles_and_hyperparameters_are_standardized(trainings):
    curves, hps = trainings
    features = CurveScaler().fit(curves, hps).transform(curves, hps)
    assert features.shape == (80, 5)
    assert features[:, :3].min() == 0
    assert features[:, :3].max() == 1
    np.testing.assert_allclose(features[:, 3:].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(features[:, 3:].std(axis=0), 1)


def test_only_a_skewed_positive_hyperparameter_is_taken_as_its_logarithm():
    rng = np.random.default_rng(1)
    columns = [10 ** rng.uniform(-5, -1, 50), 2.0 ** rng.integers(3, 9, 50), rng.uniform(0, 1, 50)]
    hps = np.stack([*columns, rng.integers(0, 5, 50), np.full(50, 3.0)], axis=1)
    scaler = CurveScaler().fit(rng.uniform(size=(50, 4)), hps)
    assert scaler.log_.tolist() == [True, True, False, False, False]


def test_a_value_that_has_no_logarithm_counts_as_the_smallest_seen():
    hps = np.array([[1.0], [10.0], [100.0]])
    curves = np.ones((3, 2))
    scaler = CurveScaler().fit(curves, hps)
    features = scaler.transform(curves, [[0.0], [1.0], [-2.0]])
    assert features[0, 3] == features[1, 3] == features[2, 3]


def test_relevance_sees_slopes_and_optima_but_neither_noise_nor_constants():
    rng = np.random.default_rng(2)
    y = rng.permutation(400) / 400
    columns = np.column_stack([-(y**3), np.sqrt(1 - y) * rng.choice([-1, 1], 400), y * 0])
    found = relevance(columns, y)
    assert found[0] == pytest.approx(1)
    assert found[1] > 0.95
    assert found[2] == 0
    noise = relevance(rng.normal(size=(400, 100)), y)
    assert (noise**2).mean() < 0.005


def test_relevance_needs_four_rows_and_a_target_that_varies():
    assert relevance([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]).tolist() == [0]
    assert relevance(np.eye(6), np.ones(6)).tolist() == [0] * 6


def test_weights_follow_the_stated_rule():
    rng = np.random.default_rng(2)
    y = np.arange(30) / 29
    last = y + 0.3 * rng.normal(size=30)
    x = np.column_stack([last, last, rng.normal(size=30), -y, np.full(30, 2.0)])
    model = RelevanceRegressor(LinearRegression(), hp_weight=0.5).fit(x, y)
    left_open = np.sqrt(1 - relevance(last[:, None], y)[0] ** 2)
    assert 0.1 < left_open < 0.9
    expected = 0.5 * np.sqrt(30 / 20) * left_open
    np.testing.assert_allclose(model.weights_, [1, 1, 1, expected, 0])


def rows(noise, n=20, seed=0):
    """Features whose last value is near the target by noise, and a hyperparameter that adds."""
    rng = np.random.default_rng(seed)
    hp = rng.normal(size=n)
    last = rng.uniform(size=n)
    y = np.clip(last + 0.1 * hp + noise * rng.normal(size=n), 0, 1)
    return np.column_stack([last, last, np.zeros(n), hp]), y


def test_the_share_of_the_regressor_follows_the_stated_rule():
    x, y = rows(noise=0.05)
    model = RelevanceRegressor(prior=3.0).fit(x, y)
    weighted = x * model.weights_
    foretold = np.array(
        [
            SVR(C=1, gamma=0.3, epsilon=0.02)
            .fit(np.delete(weighted, i, axis=0), np.delete(y, i))
            .predict(weighted[i : i + 1])[0]
            for i in range(20)
        ]
    )
    change, needed = foretold - x[:, 0], y - x[:, 0]
    best = change @ needed / (change @ change)
    expected = (20 * best + 3 * 20 / 23) / 23
    assert 0.1 < expected < 1
    assert model.share_ == pytest.approx(expected)
    alone = SVR(C=1, gamma=0.3, epsilon=0.02).fit(weighted, y).predict(weighted)
    np.testing.assert_allclose(model.predict(x), expected * alone + (1 - expected) * x[:, 0])


def test_a_regressor_that_helps_has_a_greater_share_than_one_that_adds_noise():
    x = np.random.default_rng(1).uniform(size=(80, 4))
    y = np.clip(x[:, 0] + 0.02 * np.random.default_rng(2).normal(size=80), 0, 1)
    useless = RelevanceRegressor().fit(x, y).share_
    useful = RelevanceRegressor().fit(*rows(0.0, 80)).share_
    assert useless < 0.5 < 0.6 < useful <= 1


def test_few_rows_keep_to_half_of_each():
    x, y = rows(0.1, 20)
    assert RelevanceRegressor(prior=1e9).fit(x, y).share_ < 1e-6
    assert 0.2 < RelevanceRegressor().fit(x, y).share_ < 0.8


def test_a_last_value_that_is_the_end_needs_no_regressor():
    x = np.tile(np.linspace(0, 1, 15)[:, None], 4)
    model = RelevanceRegressor(DummyRegressor(), prior=0.0).fit(x, x[:, 0])
    np.testing.assert_allclose(model.predict([[0.1] * 4]), [0.1])


@parametrize_with_checks([RelevanceRegressor(LinearRegression())])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_hyperparameters_tell_what_the_first_epoch_does_not(trainings):
    curves, hps = trainings
    final = curves[:, -1]
    fitted = CurvePredictor().fit(curves[:40, :1], hps[:40], final[:40])
    with_hps = r2_score(final[40:], fitted.predict(curves[40:, :1], hps[40:]))
    blind = CurvePredictor(hp_weight=0).fit(curves[:40, :1], hps[:40], final[:40])
    without = r2_score(final[40:], blind.predict(curves[40:, :1], hps[40:]))
    assert with_hps > 0.95
    assert with_hps > without + 0.02


def test_an_accuracy_is_predicted_as_the_loss_with_the_other_sign(trainings):
    curves, hps = trainings
    known, final = curves[:, :10], curves[:, -1]
    loss = CurvePredictor().fit(known, hps, final)
    accuracy = CurvePredictor(direction="maximize").fit(-known, hps, -final)
    np.testing.assert_allclose(accuracy.predict(-known, hps), -loss.predict(known, hps))


def test_predictions_stay_within_the_range_of_known_ends(trainings):
    curves, hps = trainings
    final = curves[:, -1]
    model = CurvePredictor().fit(curves[:20, :5], hps[:20], final[:20])
    predicted = model.predict(curves[20:, :5] * 10, hps[20:])
    assert predicted.max() <= final[:20].max()
    assert predicted.min() >= final[:20].min()


def test_the_score_is_r2_of_the_final_values(trainings):
    curves, hps = trainings
    known, final = curves[:, :10], curves[:, -1]
    model = CurvePredictor().fit(known[:40], hps[:40], final[:40])
    expected = r2_score(final[40:], model.predict(known[40:], hps[40:]))
    assert model.score(known[40:], hps[40:], final[40:]) == expected > 0.9


def test_trainings_without_hyperparameters_are_predicted_from_their_curves(trainings):
    curves, _ = trainings
    none = np.zeros((80, 0))
    model = CurvePredictor().fit(curves[:40, :20], none[:40], curves[:40, -1])
    assert model.score(curves[40:, :20], none[40:], curves[40:, -1]) > 0.8


def test_a_quantum_regressor_takes_the_place_of_the_classical_one(trainings):
    curves, hps = trainings
    final = curves[:, -1]
    model = CurvePredictor(QSVR(box=1.0, n_reads=20, random_state=0))
    model.fit(curves[:20, :10], hps[:20], final[:20])
    assert r2_score(final[20:], model.predict(curves[20:, :10], hps[20:])) > 0.9


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"direction": "up"}, {}, "minimize or maximize, got 'up'"),
        ({"hp_weight": -1}, {}, "at least 0"),
        ({"prior": np.nan}, {}, "prior must be at least 0"),
        ({"prior": "auto"}, {}, "prior must be a number, got 'auto'"),
        ({}, {"final": np.ones(3)}, "80 curves but 3 final values"),
        ({}, {"final": np.full(80, np.nan)}, "NaN"),
        ({}, {"hyperparameters": np.ones((2, 2))}, "2 rows for 80 curves"),
        ({}, {"curves": np.ones(80)}, "got shape"),
    ],
)
def test_bad_input_is_refused(options, change, message, trainings):
    curves, hps = trainings
    given = {"curves": curves[:, :5], "hyperparameters": hps, "final": curves[:, -1], **change}
    with pytest.raises(ValueError, match=message):
        CurvePredictor(**options).fit(**given)


def test_prediction_of_another_length_or_number_of_hyperparameters_is_refused(trainings):
    curves, hps = trainings
    model = CurvePredictor().fit(curves[:, :5], hps, curves[:, -1])
    for known, given in ((curves[:, :6], hps), (curves[:, :5], hps[:, :1])):
        with pytest.raises(ValueError, match=r"fitted to \(epochs, hyperparameters\) \(5, 2\)"):
            model.predict(known, given)
