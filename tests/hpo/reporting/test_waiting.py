from optuna.trial import TrialState, create_trial

from hpo.attributes import PAUSED
from hpo.reporting.waiting import on_hold, paused_at


def test_only_a_waiting_trial_is_paused_and_where_its_policy_has_stopped_it():
    states = TrialState.WAITING, TrialState.RUNNING
    trials = [create_trial(state=state, system_attrs={PAUSED: 4}) for state in states]
    trials.append(create_trial(state=TrialState.WAITING, system_attrs={PAUSED: None}))
    assert [paused_at(trial) for trial in trials] == [4, None, None]


def test_waiting_trials_that_have_begun_are_paused_or_interrupted(study):
    assert on_hold(study.trials) == {"paused": 0, "interrupted": 0}
    begun = [study.ask()._trial_id for _ in range(3)]
    study._storage.set_trial_system_attr(begun[0], PAUSED, 3)
    for trial_id in begun:
        study._storage.set_trial_state_values(trial_id, TrialState.WAITING)
    study.enqueue_trial({"x": 0.1})  # no worker has begun it
    assert on_hold(study.trials) == {"paused": 1, "interrupted": 2}
