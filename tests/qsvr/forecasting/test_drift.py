import numpy as np
import pytest
from scipy.special import stdtrit
from sklearn.linear_model import LinearRegression

from qsvr.forecasting.drift import DriftModel, LogScale
from tests.qsvr.forecasting.memory import Memory

NONE = np.zeros((200, 0))


def test_the_log_scale_is_inverted_and_starts_below_the_best():
    values = np.array([[100.0, 80.0], [60.0, np.nan]])
    scale = LogScale.of(values, (1, 2))
    assert scale.floor == pytest.approx(60.0 - 0.11 * (80.0 - 60.0))
    np.testing.assert_allclose(scale.inverse(scale(values)), values)


@pytest.mark.parametrize("level", [0.0, -0.3, 1e6])
def test_values_that_are_all_equal_have_a_scale(level):
    values = np.full((3, 2), level)
    assert np.isfinite(LogScale.of(values, (1, 2))(values)).all()


def test_the_scale_follows_the_unit_of_the_values():
    values = np.array([[5.0, 3.0], [4.0, 2.0], [6.0, np.nan]])
    thousand = LogScale.of(1000 * values, (1, 2))(1000 * values)
    np.testing.assert_allclose(thousand, LogScale.of(values, (1, 2))(values) + np.log(1000))


def test_values_below_the_floor_stay_finite():
    assert np.isfinite(LogScale.of(np.array([[2.0], [1.0]]), (1,))(0.0))


def test_the_floor_is_below_where_the_longest_curves_are_on_the_way_to():
    values = np.array([[10.0, 8.0, 6.0, np.nan], [12.0, 10.0, 8.0, np.nan], [9.0, *[np.nan] * 3]])
    # From 4 to 32 epochs are three doublings; the last one has changed 2.
    assert LogScale.of(values, (1, 2, 4, 32)).floor == pytest.approx(6.0 - 3 * 2)
    values[:, 2] = [7.9, 9.9, np.nan]  # they hardly fall any more
    assert LogScale.of(values, (1, 2, 4, 32)).floor == pytest.approx(7.9 - 0.3)
    values[0, 3] = 3.0  # one is complete
    assert LogScale.of(values, (1, 2, 4, 32)).floor == pytest.approx(3.0 - 0.11 * (10.0 - 3.0))


def test_before_any_doubling_of_the_epochs_nothing_is_known_of_the_way():
    values = np.array([[10.0, np.nan], [5.0, np.nan]])
    assert LogScale.of(values, (1, 100)).floor == pytest.approx(5.0 - 0.11 * 2.5)
    jump = np.array([[10.0, np.nan, 5.0, np.nan]])  # no report in between
    assert LogScale.of(jump, (1, 2, 4, 8)).floor == pytest.approx(5.0 - 0.11 * 5.0)


def curves(n=200, drift=(-0.5, -0.2), noise=0.0, seed=0):
    """z of shape (n, 3): all fall by the same drifts."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(n, 1))
    steps = np.asarray(drift) + noise * rng.normal(size=(n, len(drift)))
    return np.concatenate([start, start + np.cumsum(steps, axis=1)], axis=1)


def first_only(z):
    """The same trainings as they were after the first decision epoch."""
    early = z.copy()
    early[:, 1:] = np.nan
    return early, np.zeros(len(z), np.intp)


def test_common_drifts_are_learnt():
    z = curves()
    early, reached = first_only(z)
    mean, *_ = DriftModel().fit(z, NONE).predict(early, reached, NONE)
    near = np.abs(z[:, 0]) < 1  # where there are many
    np.testing.assert_allclose(mean[near], z[near, -1], atol=0.05)


def test_the_spread_adds_up_over_the_steps_to_come():
    z = curves(2000, noise=0.1)
    early, reached = first_only(z[:100])
    nothing = np.zeros((2000, 0))
    model = DriftModel().fit(z, nothing)
    _, from_first, _ = model.predict(early, reached, nothing[:100])
    second = z[:100].copy()
    second[:, 2] = np.nan
    _, from_second, _ = model.predict(second, reached + 1, nothing[:100])
    assert np.median(from_first) == pytest.approx(np.sqrt(2) * 0.1, rel=0.15)
    assert np.median(from_second) == pytest.approx(0.1, rel=0.15)


def test_a_finished_curve_is_its_own_forecast():
    z = curves(5)
    mean, spread, _ = DriftModel().fit(z, NONE[:5]).predict(z, np.full(5, 2), NONE[:5])
    np.testing.assert_array_equal(mean, z[:, -1])
    np.testing.assert_array_equal(spread, 0.0)


def test_before_any_pair_curves_are_expected_to_fall_a_little_and_spread_a_lot():
    z = np.array([[0.0, np.nan, np.nan]])
    mean, spread, _ = DriftModel().fit(z, NONE[:1]).predict(z, np.zeros(1, np.intp), NONE[:1])
    assert mean[0] == pytest.approx(-0.1 - 0.08)
    # Twice the variance: the mean is as uncertain as the drift itself.
    assert spread[0] == pytest.approx(np.sqrt(2) * np.hypot(0.3, 0.24))


def test_degrees_of_freedom_grow_with_the_trainings_that_took_the_steps():
    z = curves(200, noise=0.1)
    reached = np.zeros(1, np.intp)
    middle = np.argsort(np.abs(z[:, 0]))  # nearest to 0 first: all of them count
    freedom = [
        DriftModel().fit(z[middle[:n]], NONE[:n]).predict(z[middle[:1]], reached, NONE[:1])[2][0]
        for n in (1, 10, 50)
    ]
    assert freedom[0] < 5 < 15 < freedom[1] < freedom[2]


def test_few_trainings_do_not_make_sure():
    """The next of five curves lies beyond the 2 % quantile in about 2 % of cases, not in more."""
    n_beyond, n = 0, 3000
    rng = np.random.default_rng(0)
    for _ in range(n):
        z = np.concatenate([np.zeros((5, 1)), rng.normal(-0.1, 0.3, size=(5, 1))], axis=1)
        seen = z.copy()
        seen[4, 1] = np.nan
        model = DriftModel().fit(seen, NONE[:5])
        location, scale, freedom = model.predict(seen[4:], np.zeros(1, np.intp), NONE[:1])
        n_beyond += z[4, 1] < location[0] + stdtrit(freedom[0], 0.02) * scale[0]
    assert 0.005 < n_beyond / n < 0.04


def test_the_latest_trainings_of_many_count():
    z = curves(400, drift=(-0.5,), noise=0.01)
    z[:100, 1] += 5.0
    early = np.array([[0.0, np.nan]])
    mean, *_ = DriftModel().fit(z, np.zeros((400, 0))).predict(early, np.zeros(1, int), NONE[:1])
    assert mean[0] == pytest.approx(-0.5, abs=0.02)


def test_one_curve_that_jumps_hardly_moves_the_others():
    z = curves(50, noise=0.02)
    early, reached = first_only(z)
    jumped = z.copy()
    jumped[0, 1:] -= 5.0
    means = [
        DriftModel().fit(t, NONE[:50]).predict(early, reached, NONE[:50])[0] for t in (z, jumped)
    ]
    assert np.abs(means[1] - means[0])[1:].max() < 0.05


def test_improvements_may_be_kept_while_what_gets_worse_is_clipped():
    z = curves(50, noise=0.02)
    early, reached = first_only(z)

    def spread(jump):
        jumped = z.copy()
        jumped[0, 1:] += jump
        model = DriftModel(keep_improvements=True).fit(jumped, NONE[:50])
        near = np.abs(z[:, 0] - z[0, 0]) < 0.1
        return model.predict(early, reached, NONE[:50])[1][near].mean()

    assert spread(-5.0) > 3 * spread(5.0)


def test_a_regressor_learns_what_hyperparameters_do_to_the_drift():
    z, hps = curves(), np.random.default_rng(1).random((200, 1))
    z[:, 1:] += 2.0 * hps  # the first drift depends on them
    early, reached = first_only(z)
    errors = {}
    for name, regressor in (("last", None), ("linear", LinearRegression())):
        model = DriftModel(regressor).fit(z, hps)
        errors[name] = np.abs(model.predict(early, reached, hps)[0] - z[:, -1])
    assert np.median(errors["linear"]) < 0.2 * np.median(errors["last"])


def test_the_spread_of_a_regressor_is_that_of_trainings_it_has_not_seen():
    z = curves(noise=0.1)
    early, reached = first_only(z)
    _, spread, _ = DriftModel(Memory()).fit(z, NONE).predict(early, reached, NONE)
    assert np.median(spread) == pytest.approx(np.sqrt(2) * 0.1, rel=0.2)
