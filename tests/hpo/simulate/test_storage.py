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
