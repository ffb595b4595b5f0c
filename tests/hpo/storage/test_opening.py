"""Opening a storage, its passwords, waiting for it, and writing several things at once."""

import contextlib
import pickle
import signal
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError

from hpo import signals
from hpo.storage.batching import batched
from hpo.storage.opening import (
    PatientStorage,
    absolute,
    open_storage,
    stored_passwords,
    without_passwords,
)

URL = "postgresql://me:hunter2@host/db"


class Flaky(optuna.storages.InMemoryStorage):
    """Fails `n_times` with `error`, then works."""

    def __init__(self, error, n_times):
        super().__init__()
        self.error, self.left = error, n_times

    def get_all_studies(self):
        if self.left > 0:
            self.left -= 1
            raise self.error
        return super().get_all_studies()


def gone():
    return OperationalError("SELECT 1", {}, Exception("server closed the connection"))


@pytest.fixture(autouse=True)
def no_passwords(monkeypatch):
    """Leave no password of a test in the environment."""
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_0", "")
    monkeypatch.delenv("HPO_STORAGE_PASSWORD_0")
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_1", "")
    monkeypatch.delenv("HPO_STORAGE_PASSWORD_1")


@pytest.mark.parametrize(
    ("spec", "file"), [(None, "journal.log"), ("deep/own.log", "deep/own.log")]
)
def test_a_path_is_a_journal_file_and_its_folder_is_made(tmp_path, monkeypatch, spec, file):
    monkeypatch.chdir(tmp_path)
    optuna.create_study(storage=open_storage(spec, tmp_path))
    assert (tmp_path / file).stat().st_size > 0


def test_a_journal_is_found_again_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = open_storage("own.log", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    optuna.create_study(storage=storage)
    assert not (tmp_path / "elsewhere/own.log").exists()


def test_a_url_is_a_database(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/s.db", tmp_path)
    optuna.create_study(storage=storage, study_name="s")
    assert open_storage(f"sqlite:///{tmp_path}/s.db", tmp_path).get_all_studies()


@pytest.mark.parametrize("spec", ["grpc://host", "grpc://host:port", "grpc://1234"])
def test_the_address_of_a_proxy_needs_a_port(spec, tmp_path):
    with pytest.raises(ValueError, match=r"^storage: expected grpc://host:port, got grpc:"):
        open_storage(spec, tmp_path)


def test_a_wrong_password_or_host_is_one_line_without_the_password(postgres, tmp_path):
    password = postgres.url.split(":")[2].split("@")[0]
    wrong = postgres.url.replace(password, "hunter2")
    with pytest.raises(ValueError, match=r"^storage: [^\n]*password authentication") as refused:
        open_storage(wrong, tmp_path)
    assert "hunter2" not in str(refused.value)
    nobody = f"postgresql://me:hunter2@127.0.0.1:{postgres.port + 40_000 - 8_000}/db"
    with pytest.raises(ValueError, match=r"^storage: [^\n]*[Cc]onnection refused") as refused:
        open_storage(nobody, tmp_path)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("sqlite:////data/s.db", "sqlite:////data/s.db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("grpc://host:1", "grpc://host:1"),
        ({"_target_": "a.B"}, {"_target_": "a.B"}),
    ],
)
def test_a_storage_that_is_absolute_stays_as_it_is(given, meant):
    assert absolute(given) == meant


def test_relative_storages_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a/j.log") == f"{tmp_path}/a/j.log"
    assert absolute("sqlite:///s.db") == f"sqlite:///{tmp_path}/s.db"


@pytest.mark.parametrize("spec", [URL, {"_target_": "a.B", "urls": [URL, 1]}])
def test_passwords_go_to_the_environment(spec):
    kept = without_passwords(spec)
    assert "hunter2" not in str(kept)
    assert "me:${oc.env:HPO_STORAGE_PASSWORD_0}@host" in str(kept)
    assert stored_passwords() == ("hunter2",)
    assert without_passwords(kept) == kept


@pytest.mark.parametrize("spec", [None, "a/j.log", "sqlite:///s.db", "postgresql://host/db"])
def test_a_setting_without_password_stays_as_it_is(spec):
    assert without_passwords(spec) == spec
    assert stored_passwords() == ()


def test_a_password_that_was_put_aside_is_used(tmp_path):
    kept = without_passwords(f"sqlite+nonsense://me:hunter2@/{tmp_path}/s.db")
    with pytest.raises(ValueError, match="storage: ") as refused:
        open_storage(kept, tmp_path)
    assert "HPO_STORAGE" not in str(refused.value)


@pytest.mark.parametrize(
    "error",
    [
        gone(),
        StorageInternalError("failed"),
        OSError(5, "Input/output error"),
        ConnectionError("reset"),
    ],
)
def test_an_operation_waits_for_a_storage_that_comes_back(error, caplog):
    if isinstance(error, StorageInternalError):
        error.__cause__ = gone()
    storage = PatientStorage(Flaky(error, 2), patience_s=30)
    assert storage.back_since is None
    assert storage.get_all_studies() == []
    assert storage.back_since <= time.monotonic()
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "the storage is out of reach",
        "the storage is back",
    ]


@pytest.mark.parametrize(
    "error",
    [
        KeyError("no such study"),
        IntegrityError("INSERT", {}, Exception("duplicate")),
        StorageInternalError("a bug"),
    ],
)
def test_an_error_of_another_kind_is_raised_at_once(error):
    storage = PatientStorage(Flaky(error, 1), patience_s=30)
    with pytest.raises(type(error)):
        storage.get_all_studies()


def test_patience_has_an_end():
    storage = PatientStorage(Flaky(gone(), 10**9), patience_s=0.2)
    begin = time.monotonic()
    with pytest.raises(OperationalError):
        storage.get_all_studies()
    assert 0.2 < time.monotonic() - begin < 5


def test_ctrl_c_gets_through_while_waiting(monkeypatch):
    monkeypatch.setattr(signals._State, "received", None)  # and forget it afterwards
    storage = PatientStorage(Flaky(gone(), 10**9), patience_s=60)
    me = threading.main_thread().ident
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(me, signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), signals.interrupt(), signals.shield():
        storage.get_all_studies()
    timer.join()
    assert time.monotonic() - begin < 10


def test_the_database_goes_away_for_a_moment(storages, postgres):
    storage = PatientStorage(storages("postgresql"), patience_s=60)
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    postgres.stop()
    timer = threading.Timer(1.0, postgres.start)
    timer.start()
    trial.report(0.5, 1)
    timer.join()
    assert study.trials[0].intermediate_values == {1: 0.5}
    assert storage.back_since is not None


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


def test_a_storage_that_cannot_batch_writes_at_once():
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    for kind in (storage, PatientStorage(storage, 1)):
        with batched(kind):
            trial.set_user_attr("a", 1)
            assert study.trials[0].user_attrs == {"a": 1}


def test_a_journal_can_be_pickled(tmp_path):
    storage = pickle.loads(pickle.dumps(open_storage(Path(tmp_path / "j.log"), tmp_path)))
    with batched(storage):
        optuna.create_study  # noqa: B018
    assert storage.get_all_studies() == []
