import optuna
from optuna.trial import TrialState

from commons.optuna_internals import storage_of, trial_id
from hpo.simulate.storage import Memory


def test_a_trial_that_goes_back_to_waiting_is_found():
    study = optuna.create_study(storage=Memory())
    study.enqueue_trial({})
    study.ask()
    waiting = (TrialState.WAITING,)
    assert study.get_trials(states=waiting) == []
    storage_of(study).set_trial_state_values(trial_id(study.trials[0]), TrialState.WAITING)
    assert [trial.number for trial in study.get_trials(states=waiting)] == [0]


def test_changed_trials_are_told_once():
    storage = Memory()
    study = optuna.create_study(storage=storage)
    first, second = study.ask(), study.ask()
    position, changed = storage.changed_trials(0, 0)
    assert [trial.number for trial in changed] == [0, 1]
    assert storage.changed_trials(0, position) == (position, [])
    second.report(0.5, 1)
    second.suggest_float("x", 0, 1)
    position, changed = storage.changed_trials(0, position)
    assert [trial.number for trial in changed] == [1]
    assert changed[0].intermediate_values == {1: 0.5}
    study.tell(first, 1.0)
    first_changed = storage.changed_trials(0, position)[1]
    assert [trial.state for trial in first_changed] == [TrialState.COMPLETE]


def test_attributes_and_new_trials_are_changes():
    storage = Memory()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    for change in (
        lambda: trial.set_user_attr("a", 1),
        lambda: storage.set_trial_system_attr(0, "b", 2),
        lambda: storage.set_trial_state_values(0, TrialState.WAITING),
    ):
        position, _ = storage.changed_trials(0, 0)
        change()
        assert [t.number for t in storage.changed_trials(0, position)[1]] == [0]
    position, _ = storage.changed_trials(0, 0)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    assert [t.number for t in storage.changed_trials(0, position)[1]] == [1]
