import optuna

from commons.changes import Changes


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
