import os
import shutil
import threading

import optuna
import pytest
from optuna.storages import JournalStorage

from hpo.storage import journal as module
from hpo.storage.identity import Mark, StorageLostError
from hpo.storage.journal import JournalFile
from hpo.storage.opening import open_storage
from hpo.storage.records import dump
from hpo.storage.repair import mend_journal


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch):
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.log"


@pytest.fixture
def study(path):
    """A study that this process has read, with an older copy of it beside."""
    study = optuna.create_study(study_name="s", storage=JournalStorage(JournalFile(path)))
    study.enqueue_trial({"x": 1.0})
    shutil.copy(path, path.with_name("older"))
    study.enqueue_trial({"x": 2.0})
    return study


def by_rename(path, content):
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


def over_the_same_file(path, content):
    inode = path.stat().st_ino
    path.write_bytes(content)
    assert path.stat().st_ino == inode


def _another(path):
    path = path.with_name("another")
    optuna.create_study(study_name="s", storage=JournalStorage(JournalFile(path)))
    return path.read_bytes() + dump({"op_code": 1, "worker_id": "w", "study_id": 7}) * 99


CHANGES = {
    "emptied": (lambda path: b"", "it is empty: truncated, or replaced by a new file"),
    "cut": (lambda path: path.read_bytes()[:-1], "truncated or replaced by an older copy"),
    "older": (
        lambda path: path.with_name("older").read_bytes(),
        "truncated or replaced by an older copy",
    ),
    "older and grown": (
        lambda path: path.with_name("older").read_bytes() + _another(path)[200:],
        "replaced by an older copy, or cut, and has grown since",
    ),
    "another": (_another, "another journal is in its place"),
}


@pytest.mark.parametrize("replace", [by_rename, over_the_same_file])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("use", ["read", "write", "claim"])
def test_another_file_in_its_place_is_noticed_by_reading_and_writing(
    study, path, replace, change, use
):
    content, what = CHANGES[change][0](path), CHANGES[change][1]
    replace(path, content)
    uses = {
        "read": lambda: study.trials,
        "write": lambda: study.set_user_attr("a", 1),
        "claim": study.ask,
    }
    for _ in range(2):
        with pytest.raises(StorageLostError, match=what) as told:
            uses[use]()
        assert str(path) in str(told.value)
        assert "move the right file back and repeat the command" in str(told.value)
    assert path.read_bytes() == content
    assert not path.with_name("journal.log.lock").exists()


def test_a_file_that_is_gone_is_not_begun_again_and_goes_on_when_it_is_back(study, path):
    path.rename(path.with_name("away"))
    for use in (lambda: study.trials, lambda: study.set_user_attr("a", 1), study.ask):
        with pytest.raises(FileNotFoundError, match=r"journal\.log"):
            use()
    assert not path.exists()
    path.with_name("away").rename(path)
    study.set_user_attr("a", 1)
    assert len(study.trials) == 2


def test_a_patient_process_waits_for_it(study, path):
    patient = open_storage(path, path.parent, patience_s=60)
    path.rename(path.with_name("away"))
    timer = threading.Timer(0.2, lambda: path.with_name("away").rename(path))
    timer.start()
    patient.set_study_user_attr(0, "a", 1)
    timer.join()
    assert study.user_attrs == {"a": 1}


def test_a_copy_that_was_put_back_is_the_same_journal(study, path):
    shutil.copy(path, path.with_name("copy"))
    path.unlink()
    path.with_name("copy").rename(path)
    study.set_user_attr("a", 1)
    assert (len(study.trials), study.user_attrs) == (2, {"a": 1})


def test_a_mended_copy_is_the_same_journal_for_a_process_that_waited(study, path):
    idle = optuna.load_study(study_name="s", storage=JournalStorage(JournalFile(path)))
    with path.open("ab") as file:
        file.write(b'{"op_code":7,"wor\n\0\0\n')
    study.set_user_attr("a", 1)
    assert len(idle.trials) == 2
    mend_journal(path)
    study.set_user_attr("b", 2)
    assert idle.user_attrs == study.user_attrs == {"a": 1, "b": 2}
    study.set_user_attr("c", 3)
    assert idle.user_attrs["c"] == 3


def test_a_record_like_nan_is_found_again(path):
    study = optuna.create_study(storage=JournalStorage(JournalFile(path)))
    trial = study.ask()
    with path.open("ab") as file:
        file.write(b"noise\n")
    trial.report(float("nan"), 1)
    mend_journal(path)
    trial.report(0.5, 2)
    assert study.trials[0].intermediate_values[2] == 0.5


def test_a_cut_of_what_holds_no_record_is_no_loss(study, path):
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"noise\n")
    assert len(study.trials) == 2
    os.truncate(path, size)
    study.set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}


def test_a_process_that_has_read_nothing_takes_any_file(path):
    storage = JournalStorage(JournalFile(path))
    path.unlink()
    other = optuna.create_study(study_name="s", storage=JournalStorage(JournalFile(path)))
    assert [s.study_name for s in storage.get_all_studies()] == [other.study_name]


def test_only_the_end_of_a_long_record_is_compared(path, monkeypatch):
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, n, at: read.append(n) or pread(fd, n, at))
    line = b"x" * 10_000 + b"\n"
    path.write_bytes(line * 2)
    with path.open("rb") as file:
        assert Mark(2, 20_002, line).is_in(file.fileno())
        assert not Mark(2, 20_001, line).is_in(file.fileno())
    assert max(read) < 1000
