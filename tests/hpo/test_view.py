import optuna
import pytest
from optuna.trial import TrialState

from hpo.view import View


@pytest.fixture(params=["journal", "sqlite", "grpc"])
def study(request, storages):
    return optuna.create_study(storage=storages(request.param), study_name="s")


def numbers(trials):
    return [trial.number for trial in trials]


def test_a_finished_trial_is_returned_once_in_whatever_order_trials_finish(study):
    view = View(study._storage, study._study_id)
    assert view.look() == []
    trials = [study.ask() for _ in range(4)]
    assert view.look() == []
    assert numbers(view.unfinished) == [0, 1, 2, 3]
    study.tell(trials[2], 1.0)
    study.tell(trials[0], state=TrialState.FAIL)
    assert numbers(view.look()) == [0, 2]
    assert view.look() == []
    study.tell(study.ask(), 1.0)
    study.tell(trials[1], state=TrialState.PRUNED)
    assert numbers(view.look()) == [1, 4]
    assert numbers(view.unfinished) == [3]
    assert view.n_trials == 5


def test_unfinished_trials_are_as_they_are_now(study):
    view = View(study._storage, study._study_id)
    study.enqueue_trial({})
    view.look()
    study.ask().report(0.5, 3)
    view.look()
    (trial,) = view.unfinished
    assert trial.state == TrialState.RUNNING
    assert trial.intermediate_values == {3: 0.5}


def test_a_late_view_sees_what_finished_before(study):
    study.tell(study.ask(), 1.0)
    study.ask()
    view = View(study._storage, study._study_id)
    assert numbers(view.look()) == [0]
    assert numbers(view.unfinished) == [1]
