import logging

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import TrialState
from sklearn.linear_model import LinearRegression

import hpo
import qsvr
from qsvr.forecasting.calibration import Calibration
from qsvr.pruners import FORECAST, QSVRPruner, SVRPruner

EPOCHS = 12


def objective(trial):
    """A loss that falls towards a level that one hyperparameter sets."""
    level = trial.suggest_float("level", 0.0, 10.0)
    for epoch in range(1, EPOCHS + 1):
        loss = (1 + level) * (1 + 5.0 / epoch)
        trial.report(loss, epoch)
        if epoch < EPOCHS and trial.should_prune():
            raise optuna.TrialPruned
    return loss


def run(pruner, n_trials=30, direction="minimize", sign=1):
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner, direction=direction
    )
    study.optimize(objective if sign > 0 else mirrored, n_trials=n_trials)
    return study


def mirrored(trial):
    level = trial.suggest_float("level", 0.0, 10.0)
    for epoch in range(1, EPOCHS + 1):
        value = -(1 + level) * (1 + 5.0 / epoch)
        trial.report(value, epoch)
        if epoch < EPOCHS and trial.should_prune():
            raise optuna.TrialPruned
    return value


def n_epochs(study):
    return sum(len(trial.intermediate_values) for trial in study.trials)


class Says(BasePruner):
    """Says the same of every trial, and counts how often it is asked."""

    def __init__(self, answer=False):
        self.answer, self.n_asked = answer, 0

    def prune(self, study, trial):
        self.n_asked += 1
        return self.answer


class Broken(LinearRegression):
    def fit(self, X, y):
        raise ConnectionError("the annealer cannot be reached")


@pytest.mark.parametrize("pruner", [SVRPruner, QSVRPruner])
def test_hopeless_trials_stop_early_and_the_best_one_is_found(pruner):
    everything, pruned = run(NopPruner()), run(pruner(EPOCHS))
    assert pruned.best_value == everything.best_value
    assert n_epochs(pruned) < 0.5 * n_epochs(everything)


def test_maximizing_is_minimizing_mirrored():
    minimized = run(SVRPruner(EPOCHS))
    maximized = run(SVRPruner(EPOCHS), direction="maximize", sign=-1)
    assert [len(t.intermediate_values) for t in minimized.trials] == [
        len(t.intermediate_values) for t in maximized.trials
    ]


def test_a_stopped_trial_says_why():
    study = run(SVRPruner(EPOCHS, wrapped=NopPruner()))
    stopped = study.get_trials(states=(TrialState.PRUNED,))
    assert stopped
    for trial in stopped:
        record = trial.system_attrs[FORECAST]
        assert record["epoch"] == trial.last_step
        assert record["mean"] >= record["optimistic"] >= record["best"]
        assert 0 <= record["probability"] < 0.5


def test_the_forecast_of_a_trial_can_be_asked_for():
    pruner = SVRPruner(EPOCHS)
    study = run(pruner)
    trial = study.ask({"level": optuna.distributions.FloatDistribution(0, 10)})
    for epoch in (1, 2, 3):
        trial.report(6.0 * (1 + 5.0 / epoch), epoch)
    forecast = pruner.forecast(study, study.trials[-1])
    assert forecast.mean[0] == pytest.approx(6.0 * (1 + 5.0 / EPOCHS), rel=0.2)
    assert forecast.best == pytest.approx(study.best_value)


def test_more_optimism_stops_less():
    epochs = [n_epochs(run(SVRPruner(EPOCHS, k, NopPruner()))) for k in (0.5, 2.5, 8.0)]
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]


def test_what_the_wrapped_pruner_stops_is_stopped():
    study = run(SVRPruner(EPOCHS, wrapped=Says(True)))
    assert {len(trial.intermediate_values) for trial in study.trials} == {1}


def test_no_forecast_stops_a_trial_before_enough_trials_are_complete():
    study = run(SVRPruner(EPOCHS, 0.0, NopPruner(), n_finished=3))
    states = [trial.state for trial in study.trials]
    assert states[:3] == [TrialState.COMPLETE] * 3
    assert TrialState.PRUNED in states[3:]


def test_the_wrapped_pruner_decides_alone_when_the_regression_fails_which_is_logged_once(caplog):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=NopPruner())
    study.optimize(objective, n_trials=10)
    wrapped = Says(False)
    study.pruner = SVRPruner(EPOCHS, 0.0, wrapped, regressor=Broken())
    with caplog.at_level(logging.WARNING, "qsvr.pruners"):
        study.optimize(objective, n_trials=5)
    assert {trial.state for trial in study.trials[10:]} == {TrialState.COMPLETE}
    assert wrapped.n_asked == 5 * (EPOCHS - 1)
    assert [r.getMessage() for r in caplog.records if r.name == "qsvr.pruners"] == [
        "SVRPruner cannot forecast, Says decides alone: the annealer cannot be reached"
    ]


def test_a_trial_ahead_of_the_best_one_at_its_epoch_goes_on():
    study = run(NopPruner())
    best = min(study.trials, key=lambda t: t.value)
    for lead, is_stopped in ((-0.1, False), (40.0, True)):
        trial = study.ask({"level": optuna.distributions.FloatDistribution(0, 10)})
        for epoch in range(1, 6):
            trial.report(best.intermediate_values[epoch] + lead, epoch)
        pruner = SVRPruner(EPOCHS, 0.0, NopPruner(), decision_epochs=[5])
        pruner._risk = 1.0  # any forecast would stop it
        assert pruner.prune(study, study.trials[-1]) == is_stopped


def test_forecasts_that_miss_what_happens_stop_nothing_which_is_logged_once(caplog):
    pruner = SVRPruner(EPOCHS, 0.0, NopPruner())
    study = run(pruner)
    pruner._forecaster._calibration = Calibration(20, 9, 4.0)
    with caplog.at_level(logging.WARNING, "qsvr.pruners"):
        assert [pruner._is_reliable() for _ in range(2)] == [False, False]
    assert len(study.trials) == 30
    assert [r.getMessage() for r in caplog.records if r.name == "qsvr.pruners"] == [
        "SVRPruner stops nothing, NopPruner decides alone: 9 of 20 forecasts were too pessimistic"
    ]


@pytest.mark.parametrize(
    ("max_resource", "first", "message"),
    [(EPOCHS, 0, "reports step 0"), (5, 1, "beyond max_resource=5"), (100, 1, "has 12 steps")],
)
def test_steps_that_do_not_fit_are_logged_once(caplog, max_resource, first, message):
    def shifted(trial):
        for epoch in range(first, EPOCHS + first):
            trial.report(trial.number + 1.0 / (1 + epoch), epoch)
            trial.should_prune()
        return trial.number + 0.0

    pruner = SVRPruner(max_resource, wrapped=NopPruner())
    with caplog.at_level(logging.WARNING, "qsvr.pruners"):
        optuna.create_study(pruner=pruner).optimize(shifted, n_trials=3)
    told = [r.getMessage() for r in caplog.records if r.name == "qsvr.pruners"]
    assert len(told) == 1
    assert told[0].startswith("SVRPruner cannot decide well: ")
    assert message in told[0]


@pytest.mark.parametrize("answer", [True, False])
def test_values_that_are_not_finite_are_left_to_the_wrapped_pruner(answer):
    study = run(NopPruner())
    trial = study.ask()
    for epoch in range(1, 6):
        trial.report(np.nan, epoch)
    pruner = SVRPruner(EPOCHS, 0.0, Says(answer), decision_epochs=[5])
    assert pruner.prune(study, study.trials[-1]) == answer


def test_between_decision_epochs_nothing_is_stopped():
    pruner = SVRPruner(EPOCHS, optimism=0.0, wrapped=NopPruner(), decision_epochs=[6])
    study = run(pruner)
    lengths = {len(t.intermediate_values) for t in study.trials}
    assert lengths == {6, EPOCHS}


def test_a_trial_without_a_report_goes_on():
    study = run(SVRPruner(EPOCHS))
    study.ask()
    assert not SVRPruner(EPOCHS).prune(study, study.trials[-1])


def random_study(rng, direction):
    """Trials with ties, NaN, infinities and reports that jump over rungs."""
    study = optuna.create_study(direction=direction)
    for _ in range(12):
        trial = study.ask()
        steps = 1 + np.flatnonzero(rng.random(30) < rng.choice([0.2, 0.7, 1.0]))
        for step in steps[: rng.integers(0, 31)]:
            trial.report(rng.choice([0, 1, 2, 3, 4, np.nan, np.inf, -np.inf]), int(step))
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_before_any_forecast_it_decides_as_the_asha_pruner_of_hpo(direction):
    rng = np.random.default_rng(0)
    mine, theirs = SVRPruner(EPOCHS, n_finished=10**6), hpo.AshaPruner(max_resource=EPOCHS)
    answers = []
    for _ in range(100):
        study = random_study(rng, direction)
        for trial in study.trials:
            answers.append(mine.prune(study, trial))
            assert answers[-1] == theirs.prune(study, trial), trial.intermediate_values
    assert 0.05 < np.mean(answers) < 0.5


def test_an_accuracy_at_chance_for_some_epochs_stops_nobody():
    def breaking_through(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 41):
            accuracy = 0.1 if step < 6 else 0.95 - (x - 0.3) ** 2 - 0.5 / step
            trial.report(accuracy, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=SVRPruner(40))
    study.optimize(breaking_through, n_trials=40)
    steps = [trial.last_step for trial in study.trials]
    assert min(steps) > 5
    assert sum(steps) < 0.5 * 40 * 40
    best = max(study.trials, key=lambda trial: -abs(trial.params["x"] - 0.3))
    assert study.best_trial.number == best.number


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_finished": 0}, "n_finished must be at least 1, got 0"),
        ({"optimism": -1.0}, "optimism must be at least 0 and finite, got -1.0"),
        ({"optimism": "2"}, "optimism must be a number, got '2'"),
        ({"refit_growth": np.nan}, "refit_growth must be at least 0 and finite, got nan"),
        ({"max_resource": 1}, "max_resource must be at least 2, got 1"),
        ({"max_resource": "auto"}, "max_resource must be an integer, got 'auto'"),
        ({"regressor": "tree"}, "regressor must be last, linear"),
        ({"decision_epochs": [3, 1]}, "decision_epochs must ascend"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SVRPruner(**{"max_resource": EPOCHS, **settings})


def test_the_package_offers_its_pruners():
    assert qsvr.SVRPruner is SVRPruner
    assert qsvr.QSVRPruner is QSVRPruner


def test_it_says_after_which_steps_it_or_the_wrapped_pruner_decides():
    pruner = SVRPruner(max_resource=20, decision_epochs=[5, 10])
    due = [step for step in range(1, 20) if pruner.is_due(step - 1, step)]
    assert due == [2, 3, 5, 8, 10, 12]  # rungs of successive halving and decision epochs
    assert pruner.is_due(5, 10)
    wrapping = SVRPruner(20, wrapped=optuna.pruners.MedianPruner(), decision_epochs=[5, 10])
    assert wrapping.is_due(1, 2)  # it may decide after each report
