import importlib
import inspect
import pickle
import signal
import threading
import time

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import IntegrityError, OperationalError

from hpo import signals
from hpo.storage import patient
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage
from hpo.storage.patient import PatientStorage


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
        "the storage is unreachable",
        "the storage is reachable again",
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


def test_patience_has_an_end_and_is_not_begun_again_until_the_storage_is_back(monkeypatch):
    pauses = []
    monkeypatch.setattr(patient.time, "monotonic", lambda: sum(pauses))
    monkeypatch.setattr(patient.time, "sleep", pauses.append)
    flaky = Flaky(gone(), 10**9)
    storage = PatientStorage(flaky, patience_s=20)
    text = r"unreachable for 20 s \(patience_s\): .*server closed the connection"
    with pytest.raises(StorageLostError, match=text):
        storage.get_all_studies()
    assert 20 <= sum(pauses) < 23
    waited = len(pauses)
    with pytest.raises(StorageLostError, match="for 20 s"):
        storage.get_all_studies()
    assert len(pauses) == waited
    flaky.left = 0
    assert storage.get_all_studies() == []
    assert storage.back_since is not None  # leases may have expired meanwhile
    flaky.left = 2
    assert storage.get_all_studies() == []
    assert len(pauses) == waited + 2


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


@pytest.mark.parametrize("name", [n for n in dir(BaseStorage) if not n.startswith("_")])
def test_every_method_of_a_storage_is_patient(name):
    fails = [OSError("gone"), OSError("gone")]

    class Inner:
        def __getattr__(self, called):
            def method(*arguments, **named):
                if fails:
                    raise fails.pop()
                return called, arguments, named

            return method

    storage = PatientStorage(Inner(), patience_s=30)
    n_arguments = len(inspect.signature(getattr(BaseStorage, name)).parameters) - 1
    called, arguments, named = getattr(storage, name)(*range(1, n_arguments + 1))
    assert (called, not fails) == (name, True)
    assert [*arguments, *named.values()] == [*range(1, n_arguments + 1)]


def test_a_method_that_optuna_adds_is_patient_too(monkeypatch):
    """A later version of Optuna, in which BaseStorage has a method with an implementation."""
    monkeypatch.setattr(BaseStorage, "get_news", lambda self: "news", raising=False)
    source = importlib.util.find_spec("hpo.storage.patient")
    later = importlib.util.module_from_spec(source)
    source.loader.exec_module(later)

    class Inner(Flaky):
        def get_news(self):
            self.get_all_studies()
            return "news of the inner storage"

    storage = later.PatientStorage(Inner(gone(), 2), patience_s=30)
    assert storage.get_news() == "news of the inner storage"
    assert storage.back_since is not None


def test_a_patient_storage_and_its_study_can_be_pickled(tmp_path):
    study = optuna.create_study(study_name="s", storage=open_storage(None, tmp_path, patience_s=7))
    again = pickle.loads(pickle.dumps(study))
    again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert len(study.trials) == 1
