import gc
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest

from hpo.settings import SettingError
from hpo.storage.opening import absolute, open_storage
from hpo.storage.passwords import without_passwords
from hpo.storage.patient import PatientStorage


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


# Optuna leaves the connection of an attempt that fails to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_processes_that_open_a_new_database_at_once_all_get_it(database, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        storages = list(pool.map(lambda _: open_storage(database, tmp_path), range(6)))
    for storage in storages:
        assert storage.get_all_studies() == []
        storage.remove_session()
        storage._backend.engine.dispose()
    gc.collect()  # here, where the warning is expected


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


def test_a_password_that_was_put_aside_is_used(tmp_path):
    kept = without_passwords(f"sqlite+nonsense://me:hunter2@/{tmp_path}/s.db")
    with pytest.raises(ValueError, match="storage: ") as refused:
        open_storage(kept, tmp_path)
    assert "HPO_STORAGE" not in str(refused.value)


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


def test_a_worker_waits_for_a_journal_that_is_out_of_reach_and_makes_no_other(tmp_path):
    here, away = tmp_path / "here", tmp_path / "away"
    optuna.create_study(study_name="s", storage=open_storage(here / "journal.log", tmp_path))
    here.rename(away)
    thread = threading.Timer(0.5, lambda: away.rename(here))  # fails if `here` was made again
    thread.start()
    storage = open_storage(here / "journal.log", tmp_path, patience_s=30, exists=True)
    thread.join()
    assert storage.get_study_id_from_name("s") == 0
    assert isinstance(storage, PatientStorage)
    assert storage.back_since is not None  # leases may have expired meanwhile


def test_patience_with_opening_ends(tmp_path):
    begin = time.monotonic()
    with pytest.raises(ValueError, match="No such file"):
        open_storage(tmp_path / "no" / "journal.log", tmp_path, patience_s=0.3, exists=True)
    assert 0.3 <= time.monotonic() - begin < 5
    assert not (tmp_path / "no").exists()


def test_a_command_does_not_wait_for_a_storage_that_it_cannot_open(tmp_path):
    begin = time.monotonic()
    with pytest.raises(ValueError, match="unable to open"):
        open_storage(f"sqlite:///{tmp_path}/no/study.db", tmp_path, patience_s=30)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "text", ["a: 1\n", "root:x:0:0\nbin:x:1:1\n", '{"epochs": 3}\n', "x,y\n1,2"]
)
def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path, text):
    (tmp_path / "mine").write_text(text)
    with pytest.raises(SettingError, match="mine is no journal of a study"):
        open_storage(tmp_path / "mine", tmp_path)
    assert (tmp_path / "mine").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\0" * 9, b'{"op_', b'{"op_code":0,"wor', b"\0\0\n{"]
)
def test_a_journal_whose_first_writer_died_is_one(tmp_path, text):
    (tmp_path / "journal.log").write_bytes(text)
    storage = open_storage(None, tmp_path)
    assert optuna.create_study(study_name="s", storage=storage).trials == []


def test_a_driver_that_is_missing_is_told_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql+psycopg://me@127.0.0.1:1/x"
    with pytest.raises(SettingError, match=r"pip install 'mlpf-hpo\[postgresql\]'$"):
        open_storage(url, tmp_path)
