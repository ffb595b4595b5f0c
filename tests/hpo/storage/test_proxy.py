import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from hpo.optimize import optimize
from hpo.serve import Settings, serving
from hpo.storage.batching import BatchingJournal
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage
from hpo.storage.patient import PatientStorage
from hpo.storage.proxy import JournalService, ProxyJournal
from testbed.processes import free_ports


@pytest.fixture
def served(tmp_path):
    """A proxy in this process: the storage setting, and the journal file."""
    (port,) = free_ports(1)
    file = tmp_path / "served.log"
    with serving(Settings(str(file), port, "127.0.0.1")):
        yield f"grpc://127.0.0.1:{port}", file


def record(i):
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"i": i}}


def test_workers_share_a_study_and_finish_exactly_its_trials(served, tmp_path):
    url, file = served

    def work(_):
        optimize(
            lambda trial: trial.suggest_float("x", 0, 1),
            study_name="s",
            storage=url,
            n_trials=12,
            folder=tmp_path,
        )

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    study = optuna.load_study(study_name="s", storage=open_storage(file, tmp_path))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 12


def test_optunas_own_client_sees_the_same_study(served, tmp_path):
    url, _ = served
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        client = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(url.split(":")[2]))
    theirs = optuna.load_study(study_name="s", storage=client)
    theirs.add_trial(optuna.trial.create_trial(value=0.25))
    assert [trial.value for trial in study.trials] == [0.25]
    client.close()


def test_a_proxy_of_optunas_is_used_by_its_own_protocol(proxy, tmp_path):
    storage = open_storage(proxy, tmp_path, patience_s=1)
    assert isinstance(storage, PatientStorage)
    assert isinstance(storage._storage, optuna.storages.GrpcStorageProxy)
    storage._storage.close()


def test_what_many_append_at_once_is_written_together(tmp_path, monkeypatch):
    service = JournalService(tmp_path / "journal.log")
    first, writes = threading.Event(), []
    real = service._file.append_logs

    def slow(logs):
        writes.append(len(logs))
        first.wait(5)
        real(logs)

    monkeypatch.setattr(service._file, "append_logs", slow)
    request = b'[-1, "", 0]\n' + b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"i":1}}'
    with ThreadPoolExecutor(6) as pool:
        results = [pool.submit(service.append, request)]
        while not writes:
            pass
        results += [pool.submit(service.append, request) for _ in range(5)]
        while len(service._queue) < 5:
            pass
        first.set()
        assert [result.result(10) for result in results] == [b""] * 6
    assert writes == [1, 5]
    assert len((tmp_path / "journal.log").read_bytes().splitlines()) == 6


def test_a_failed_write_is_the_failure_of_all_that_waited_for_it(tmp_path, monkeypatch):
    service = JournalService(tmp_path / "journal.log")

    def full(logs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service._file, "append_logs", full)
    with pytest.raises(OSError, match="No space"):
        service.append(b'[-1, "", 0]\n{"op_code":1,"worker_id":"w","study_id":0}')


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"[]",
        b'["0", "", 0]\n{}',
        b'[-1, "", -5]\n{"op_code":1,"worker_id":"w","study_id":0}',
        b'[-1, "", 0]\n{"op_code":99,"worker_id":"w"}',
        b'[-1, "", 0]\nno json',
        b'[-1, "", 0]\n{"op_code":1,"worker_id":"w","study_id":0}x',
    ],
)
def test_what_is_no_request_writes_nothing(tmp_path, request_):
    service = JournalService(tmp_path / "journal.log")
    with pytest.raises(ValueError, match=r"unpack|request|records|JSON|value"):
        service.append(request_)
    assert (tmp_path / "journal.log").read_bytes() == b""


def test_a_proxy_that_comes_back_is_the_same_one_and_another_journal_is_an_error(tmp_path):
    (port,) = free_ports(1)
    settings = Settings(str(tmp_path / "a.log"), port, "127.0.0.1")
    url = f"grpc://127.0.0.1:{port}"
    with serving(settings):
        study = optuna.create_study(storage=open_storage(url, tmp_path, patience_s=60))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(study.set_user_attr, "a", 1)  # while there is no proxy
        time.sleep(0.2)
        with serving(settings):
            waiting.result(30)
            assert study.user_attrs == {"a": 1}
    other = Settings(str(tmp_path / "b.log"), port, "127.0.0.1")
    with serving(other), pytest.raises(StorageLostError, match="not the journal any more"):
        study.set_user_attr("b", 2)
    assert (tmp_path / "b.log").read_bytes() == b""


def test_it_is_opened_again_in_another_process(served, tmp_path):
    storage = open_storage(served[0], tmp_path, patience_s=1)
    assert isinstance(storage._storage, BatchingJournal)
    optuna.create_study(storage=storage, study_name="s")
    assert pickle.loads(pickle.dumps(storage)).get_study_id_from_name("s") == 0


def test_what_others_write_into_the_file_is_seen(served):
    url, file = served
    journal = ProxyJournal(url.removeprefix("grpc://"))
    journal.append_logs([record(1)])
    with file.open("ab") as opened:
        opened.write(b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"i":2}}\n')
    assert [each["user_attr"]["i"] for each in journal.read_logs(0)] == [1, 2]
    journal.close()
