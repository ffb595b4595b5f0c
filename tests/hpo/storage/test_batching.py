import contextlib
import pickle
import threading

import optuna
import pytest
from optuna.trial import TrialState

from hpo.storage.batching import batched
from hpo.storage.journal import JournalFile
from hpo.storage.opening import open_storage
from hpo.storage.patient import PatientStorage


@pytest.fixture
def journal(tmp_path):
    """A study in a journal, with patience, and a function that counts its lines."""
    storage = open_storage(None, tmp_path, patience_s=5)
    study = optuna.create_study(storage=storage)
    return study, lambda: len((tmp_path / "journal.log").read_text().splitlines())


def seen_by_others(folder):
    return optuna.load_study(study_name=None, storage=open_storage(None, folder)).trials[0]


def test_a_batch_is_written_at_its_end(journal, tmp_path):
    study, n_lines = journal
    trial, before = study.ask(), n_lines()
    with batched(study._storage):
        trial.suggest_float("x", 0, 1)
        with batched(study._storage):
            trial.set_user_attr("inner", 1)
        study.tell(trial, 0.5)
        assert n_lines() == before
    assert n_lines() == before + 3
    assert seen_by_others(tmp_path).value == 0.5
    assert seen_by_others(tmp_path).params == trial.params


def test_a_batch_keeps_what_was_written_before_an_exception(journal):
    study, _ = journal
    trial = study.ask()
    with contextlib.suppress(KeyError), batched(study._storage):
        trial.set_user_attr("a", 1)
        raise KeyError
    trial.set_user_attr("b", 2)
    assert study.trials[0].user_attrs == {"a": 1, "b": 2}


def test_a_batch_belongs_to_its_thread(journal, tmp_path):
    study, _ = journal
    trial = study.ask()
    with batched(study._storage):
        trial.set_user_attr("own", 1)
        other = threading.Thread(target=lambda: trial.set_user_attr("other", 2))
        other.start()
        other.join()
        assert seen_by_others(tmp_path).user_attrs == {"other": 2}
    assert seen_by_others(tmp_path).user_attrs == {"other": 2, "own": 1}


def test_a_batch_of_a_trial_that_was_told_meanwhile_says_so(journal):
    study, _ = journal
    trial = study.ask()
    study.tell(trial, 0.5)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError), batched(study._storage):
        study._storage.set_trial_user_attr(trial._trial_id, "late", 1)
    assert study.trials[0].state == TrialState.COMPLETE


def test_a_batch_reads_what_others_have_written_once_and_later_reads_go_on(
    journal, tmp_path, monkeypatch
):
    study, _ = journal
    trial, other = (
        study.ask(),
        optuna.load_study(study_name=None, storage=open_storage(None, tmp_path)),
    )
    reads, read = [], JournalFile.read_logs
    monkeypatch.setattr(JournalFile, "read_logs", lambda *a: (reads.append(1), read(*a))[1])
    other.set_user_attr("n", 1)
    reads.clear()
    with batched(study._storage):
        assert study.user_attrs["n"] == 1
        other.set_user_attr("n", 2)
        reads.clear()
        with batched(study._storage):
            trial.set_user_attr("a", 1)
        assert study.user_attrs["n"] == 1
        assert reads == []
    assert study.user_attrs["n"] == 2
    assert study.trials[0].user_attrs == {"a": 1}


def test_a_read_that_fails_in_a_batch_is_repeated(journal, monkeypatch):
    study, _ = journal
    read, failures = JournalFile.read_logs, [OSError("away")]

    def failing(*arguments):
        if failures:
            raise failures.pop()
        return read(*arguments)

    with batched(study._storage):
        monkeypatch.setattr(JournalFile, "read_logs", failing)
        assert study.trials == []
    assert failures == []


def test_a_storage_that_cannot_batch_writes_at_once():
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    for kind in (storage, PatientStorage(storage, 1)):
        with batched(kind):
            trial.set_user_attr("a", 1)
            assert study.trials[0].user_attrs == {"a": 1}


def test_a_journal_can_be_pickled(tmp_path):
    storage = pickle.loads(pickle.dumps(open_storage(tmp_path / "j.log", tmp_path)))
    study = optuna.create_study(storage=storage)
    with batched(storage):
        study.set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}


def test_all_trials_are_those_of_optuna_and_not_copied(tmp_path):
    storage = open_storage(None, tmp_path)
    studies = [optuna.create_study(storage=storage, study_name=name) for name in "ab"]
    for study in (*studies, studies[1], studies[0]):
        study.tell(study.ask(), 1.0)
    studies[0].ask()
    for study in studies:
        ours = study.get_trials(deepcopy=False)
        assert ours == study.get_trials()
        assert all(a is b for a, b in zip(ours, study.get_trials(deepcopy=False), strict=True))
    number = studies[0]._study_id
    optuna.delete_study(study_name="a", storage=storage)
    with pytest.raises(KeyError):
        storage.get_all_trials(number, deepcopy=False)
