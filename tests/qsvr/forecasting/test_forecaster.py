import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from qsvr.forecasting.forecaster import Forecaster
from qsvr.forecasting.regressors import REGRESSORS, make_regressor

EPOCHS = 12


def curve(level):
    """A loss that falls towards a level."""
    return {epoch: (level + 2) * (1 + 5.0 / epoch) for epoch in range(1, EPOCHS + 1)}


def trial(values, state, sign=1, params=None, distributions=None):
    values = {epoch: sign * value for epoch, value in values.items()}
    return create_trial(
        state=state,
        value=values[EPOCHS] if state == TrialState.COMPLETE else None,
        intermediate_values=values,
        params=params or {},
        distributions=distributions or {},
    )


@pytest.fixture
def study():
    """Finished trainings of levels 0 to 9, then running ones that have done three epochs."""

    def make(running, sign=1, n_complete=10):
        made = optuna.create_study(direction="minimize" if sign > 0 else "maximize")
        for level in range(n_complete):
            made.add_trial(trial(curve(level), TrialState.COMPLETE, sign))
        for level in running:
            begin = {epoch: value for epoch, value in curve(level).items() if epoch <= 3}
            made.add_trial(trial(begin, TrialState.RUNNING, sign))
        return made, made.trials[n_complete:]

    return make


def test_a_forecast_is_in_the_unit_of_the_study(study):
    made, running = study([2.5])
    forecast = Forecaster(EPOCHS).forecast(made, running)
    assert forecast.mean[0] == pytest.approx(curve(2.5)[EPOCHS], abs=1.0)
    assert forecast.best == pytest.approx(curve(0)[EPOCHS])
    assert forecast.optimistic[0] < forecast.mean[0]


def test_the_better_trial_promises_more_and_is_more_probable_to_end_best(study):
    made, running = study([-1.0, 0.1, 8.0])
    forecast = Forecaster(EPOCHS).forecast(made, running)
    assert forecast.promise[0] > forecast.promise[1] > 0 > forecast.promise[2]
    assert forecast.probability[0] > 0.5 > forecast.probability[1] > forecast.probability[2]


def test_maximizing_is_minimizing_mirrored(study):
    minimize, maximize = (
        Forecaster(EPOCHS).forecast(*study([-1.0, 4.0], sign)) for sign in (1, -1)
    )
    np.testing.assert_allclose(maximize.mean, -minimize.mean)
    np.testing.assert_allclose(maximize.optimistic, -minimize.optimistic)
    np.testing.assert_allclose(maximize.promise, minimize.promise)


def test_before_any_trial_is_complete_the_best_forecast_is_to_beat(study):
    made, running = study([3.0, 1.0, 9.0], n_complete=0)
    forecast = Forecaster(EPOCHS).forecast(made, running)
    assert forecast.best == pytest.approx(forecast.mean[1])
    assert forecast.promise[1] > 0


def test_more_optimism_keeps_more_trials(study):
    made, running = study([5.0])
    promises = [Forecaster(EPOCHS, k).forecast(made, running).promise[0] for k in (0.5, 2, 4)]
    assert promises == sorted(promises)


def test_costly_steps_need_more_hope_than_cheap_ones(study):
    made, running = study([1.0])
    cheap = Forecaster(EPOCHS, 2.0, [3, 4]).forecast(made, running)
    costly = Forecaster(EPOCHS, 2.0, [3]).forecast(made, running)
    gap = (costly.optimistic - costly.mean) / (cheap.optimistic - cheap.mean)
    assert gap[0] < 1


def test_the_favorite_goes_on_however_many_epochs_its_next_step_takes(study):
    made, running = study([1.0, 4.0], n_complete=0)
    forecast = Forecaster(EPOCHS, 0.5, [3]).forecast(made, running)
    assert forecast.promise[0] > 0 > forecast.promise[1]


def test_nothing_is_said_of_a_trial_before_its_first_decision_epoch(study):
    made, running = study([1.0])
    assert Forecaster(EPOCHS, decision_epochs=[5]).forecast(made, running) is None


def test_a_trial_that_began_with_nan_is_not_forecast():
    made = optuna.create_study()
    made.add_trial(trial({1: float("nan")}, TrialState.RUNNING))
    assert Forecaster(EPOCHS).forecast(made, made.trials) is None


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_every_named_regressor_forecasts(study, regressor):
    made, running = study([2.5])
    forecast = Forecaster(EPOCHS, regressor=regressor).forecast(made, running)
    assert forecast.mean[0] == pytest.approx(curve(2.5)[EPOCHS], abs=1.5)


@pytest.mark.parametrize("regressor", ["forest", None, 3])
def test_an_unknown_regressor_is_refused(regressor):
    with pytest.raises(ValueError, match="regressor must be last, linear, gp, svr, qsvr or"):
        make_regressor(regressor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"optimism": -1}, "optimism must be >= 0"), ({"refit_growth": -1}, "refit_growth must be")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Forecaster(EPOCHS, **settings)


def test_a_slow_regressor_is_fitted_again_only_when_much_is_new(study):
    fits = []

    class Counting(type(make_regressor("linear"))):
        def fit(self, X, y):
            fits.append(len(y))
            return super().fit(X, y)

    forecaster = Forecaster(EPOCHS, regressor=Counting(), refit_growth=0.5)
    made, running = study([2.0])
    forecaster.forecast(made, running)
    n_fits = len(fits)
    made.add_trial(trial(curve(1.5), TrialState.COMPLETE))
    forecaster.forecast(made, running)
    assert len(fits) == n_fits > 0
    for level in range(10):
        made.add_trial(trial(curve(level + 0.5), TrialState.COMPLETE))
    forecaster.forecast(made, running)
    assert len(fits) > n_fits


def test_a_careful_forecast_is_as_wide_as_complete_trials_ended(study):
    made, running = study([2.5])
    for level in (0.2, 0.3, 0.4):  # they end far better than they begin
        values = curve(4.0) | {EPOCHS: level}
        made.add_trial(trial(values, TrialState.COMPLETE))
    plain, careful = Forecaster(EPOCHS), Forecaster(EPOCHS, careful=True)
    told = [each.forecast(made, running) for each in (plain, careful)]
    assert told[1].optimistic[0] < told[0].optimistic[0]
    assert careful.calibration.n > careful.calibration.n_missed > 0
    assert careful.calibration.factor > 1
    missed = f"{careful.calibration.n_missed} of {careful.calibration.n} forecasts"
    assert careful.record.startswith(missed)
    assert "spreads are" in careful.record
    assert "spreads" not in plain.record


def test_slow_curves_that_nobody_has_followed_may_end_far_above_the_best_value_so_far():
    random, study = np.random.default_rng(0), optuna.create_study(direction="maximize")
    ends = random.uniform(0.78, 0.86, 30)
    for end in ends:
        begun, slope = study.ask(), random.uniform(0.35, 0.5)
        for epoch in range(1, 9):
            begun.report(end - 0.45 * epoch**-slope, epoch)
    forecast = Forecaster(200).forecast(study, study.get_trials())
    ends -= 0.45 * 200**-0.42
    assert np.mean(ends < forecast.optimistic) > 0.9
    assert forecast.mean.max() < forecast.optimistic.max() < 1.0
