import optuna
import pytest
from optuna.trial import TrialState

from hpo.view import Changes, View


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


class TellsOne(optuna.storages.InMemoryStorage):
    """Tells twice that trial 0 has changed, whatever has."""

    def changed_trials(self, study_id, since):
        return since + 1, [self.get_trial(0)] * (since < 2)


def test_a_storage_that_knows_what_has_changed_is_asked_for_that():
    storage = TellsOne()
    study = optuna.create_study(storage=storage)
    study.ask()
    study.ask()
    changes = Changes()
    assert [len(changes.of(storage, 0)) for _ in range(3)] == [1, 1, 0]


def test_others_are_looked_through():
    study = optuna.create_study()
    study.ask()
    study.ask()
    changes, place = Changes(), (study._storage, study._study_id)
    assert [trial.number for trial in changes.of(*place)] == [0, 1]
    study.tell(1, 0.5)
    assert [trial.number for trial in changes.of(*place)] == [1]
    assert changes.of(*place) == []
