import logging
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import PAUSED
from hpo.search.freeze_thaw import FreezeThawPruner
from hpo.search.pausing import Decision, decide, may_begin


class Forecasts:
    """Promises each trial what its last value lacks to 1; learns and fails when told to."""

    record = "3 of 9 forecasts missed"

    def __init__(self, epochs=(1, 2, 4, 8), error=None):
        self.epochs, self.error, self.learnt = epochs, error, []

    def forecast(self, study, trials):
        if self.error is not None:
            raise self.error
        if not trials:
            return None
        promise = [1 - t.intermediate_values[t.last_step] for t in trials]
        return SimpleNamespace(promise=promise, probability=[0.02] * len(trials))


@pytest.fixture
def study():
    """Makes a study of trials (state, values); one that waits with values is paused."""

    def make(policy, *trials):
        made = optuna.create_study(pruner=policy)
        for state, *values in trials:
            attrs = {PAUSED: len(values)} if state == WAITING and values else {}
            made.add_trial(
                create_trial(
                    state=state,
                    value=values[-1] if state == COMPLETE else None,
                    intermediate_values=dict(enumerate(values, 1)),
                    system_attrs=attrs,
                )
            )
        return made

    return make


WAITING, RUNNING = TrialState.WAITING, TrialState.RUNNING
COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED


def paused(study):
    return [t for t in study.trials if t.state == WAITING and t.intermediate_values]


def test_the_most_promising_paused_trial_goes_on(study):
    policy = FreezeThawPruner(Forecasts())
    made = study(policy, (WAITING, 0.5), (WAITING, 0.2), (WAITING, 0.7))
    assert policy.choose(made, paused(made)).number == 1


def test_when_no_trial_promises_anything_none_goes_on_and_that_is_told_once(study, caplog):
    policy = FreezeThawPruner(Forecasts())
    done = [(COMPLETE, *[1.0] * 8)] * 6
    made = study(policy, (WAITING, 1.5), (WAITING, 2.0), *done)
    with caplog.at_level(logging.INFO, "hpo.search.freeze_thaw"):
        assert [policy.choose(made, paused(made)) for _ in range(2)] == [None, None]
    told = "freeze-thaw ends: no paused trial has more than 0.02 chance to end best"
    assert [r.getMessage() for r in caplog.records] == [f"{told}; 3 of 9 forecasts missed"]


@pytest.mark.parametrize(
    ("trials", "number"),
    [
        ([(WAITING, 1.5), (WAITING, 1.2), *[(COMPLETE, 1.0)] * 5], 1),  # 5 of 6 past 12 %
        ([(WAITING, 1.5), (WAITING, 1.2), *[(COMPLETE, 1.0)] * 6], None),
        ([(WAITING, 1.5), (WAITING, 1.2), *[(RUNNING, 1.2)] * 6], None),
        ([(WAITING, 1.5), *[(WAITING, *[2.0] * 4)] * 6, *[(COMPLETE, 1.0)] * 2], None),
        ([(WAITING, 1.5), *[(WAITING, *[1.2] * 4)] * 6, (COMPLETE, 1.0)], 1),  # 1 of 2
        ([(WAITING, 1.5), *[(WAITING, *[2.0] * 3)] * 6, *[(RUNNING, 1.2)] * 2], 0),  # 2 of 3
    ],
)
def test_some_trials_go_on_whatever_is_forecast(study, trials, number):
    policy = FreezeThawPruner(Forecasts(epochs=(1, 2, 4, 16)))
    made = study(policy, *trials)
    chosen = policy.choose(made, paused(made))
    assert (chosen and chosen.number) == number


def test_new_trials_begin_before_any_goes_on(study):
    policy = FreezeThawPruner(Forecasts())
    made = study(policy, (WAITING, 0.5), (WAITING,))
    assert policy.choose(made, paused(made)) is None


def test_with_a_share_new_trials_begin_only_as_long_as_they_have_less_than_that(study):
    policy = FreezeThawPruner(Forecasts(), new_share=0.5)
    shallow = study(policy, (WAITING, 0.5), (RUNNING, 0.5, 0.4, 0.3), (WAITING,))
    deep = study(policy, (WAITING, 0.5), (WAITING, 0.5), (WAITING, 0.4), (WAITING,))
    assert policy.choose(shallow, paused(shallow)) is None  # 2 of 4 epochs
    assert policy.choose(deep, paused(deep)).number == 2  # 3 of 3


@pytest.mark.parametrize(
    ("values", "decision"),
    [
        ((0.5,), Decision.PAUSE),  # the other one is better
        ((0.5, 0.1), Decision.GO_ON),  # it would be chosen at once
        ((0.5, 0.4, 0.4), Decision.GO_ON),  # not a decision epoch
        ((0.5, 0.4, 0.4, 0.4), Decision.PAUSE),
        ((0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4), Decision.GO_ON),  # the end
    ],
)
def test_a_trial_pauses_at_decision_epochs_unless_it_is_the_best(study, values, decision):
    made = study(FreezeThawPruner(Forecasts()), (WAITING, 0.2), (RUNNING, *values))
    assert decide(made, made.trials[1]) == decision


def test_a_report_that_jumps_over_a_decision_epoch_pauses_after_it(study):
    policy = FreezeThawPruner(Forecasts())
    made = study(policy, (WAITING, 0.1))
    jumped = create_trial(state=RUNNING, intermediate_values={3: 0.5, 5: 0.5}, value=None)
    made.add_trial(jumped)
    assert policy.pause(made, made.trials[1])


def test_without_a_limit_new_trials_may_always_begin(study):
    assert may_begin(study(FreezeThawPruner(Forecasts()), *[(COMPLETE, *[1.0] * 8)] * 50))


def test_no_trial_begins_or_goes_on_beyond_the_limit(study):
    policy = FreezeThawPruner(Forecasts(), max_epochs=10)
    made = study(policy, (COMPLETE, *[1.0] * 8), (WAITING, 0.5), (RUNNING, 0.5), (WAITING,))
    assert not may_begin(made)
    assert policy.choose(made, paused(made)) is None
    assert decide(made, made.trials[2]) == Decision.PAUSE


def test_the_last_epochs_are_kept_to_finish_the_furthest_trial(study):
    policy = FreezeThawPruner(Forecasts(), max_epochs=12)
    trials = [(WAITING, 0.5, 0.5), (WAITING, 0.1), *[(WAITING, 0.9)] * 3]  # 6 spent, 6 to finish
    made = study(policy, *trials, (WAITING,))
    assert not may_begin(made)
    assert policy.choose(made, paused(made)).number == 0


def test_a_step_that_the_limit_has_no_room_for_is_not_chosen(study):
    policy = FreezeThawPruner(Forecasts(), max_epochs=15)
    made = study(policy, (COMPLETE, *[1.0] * 8), (WAITING, 0.1, 0.1, 0.1, 0.1), (WAITING, 0.5))
    assert policy.choose(made, paused(made)).number == 2  # 2 epochs are left


def test_when_forecasts_fail_promotion_decides_and_that_is_logged_once(study, caplog):
    policy = FreezeThawPruner(Forecasts(error=ConnectionError("out of reach")))
    made = study(policy, *[(WAITING, value) for value in (0.5, 0.2, 0.7)])
    with caplog.at_level(logging.WARNING, "hpo.search.freeze_thaw"):
        chosen = [policy.choose(made, paused(made)).number for _ in range(2)]
    assert chosen == [1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "freeze-thaw: the forecast failed, promotion ASHA decides: out of reach"
    ]


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=f"new_share must be in \\(0, 1\\], got {share}"):
        FreezeThawPruner(Forecasts(), new_share=share)


def test_a_limit_below_one_training_is_refused():
    with pytest.raises(ValueError, match="max_epochs must be >= 8, one full training, got 7"):
        FreezeThawPruner(Forecasts(), max_epochs=7)
