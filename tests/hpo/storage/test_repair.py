import os
import stat

import optuna
import pytest
from optuna.storages import JournalStorage

from hpo.storage.journal import JournalFile
from hpo.storage.records import dump
from hpo.storage.repair import mend_journal, scan

CUT = b'{"op_code":7,"worker_id":"w","trial_id":0,"step":3,"interme'
WHOLE = dump({"op_code": 1, "worker_id": "w", "study_id": 0})
DAMAGED = WHOLE + CUT + WHOLE + WHOLE[:-1] + WHOLE + b"\0\0\n" + WHOLE + WHOLE[:20]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.log"
    path.write_bytes(DAMAGED)
    return path


def test_each_damaged_line_is_found_with_its_place_and_kind(path):
    damages = scan(path)
    assert [d.kind for d in damages] == ["torn", "merged", "garbage", "unfinished"]
    assert [d.n_salvaged for d in damages] == [1, 2, 0, 0]
    assert damages[0].offset == len(WHOLE)
    assert b"".join(DAMAGED[d.offset :][: d.length] for d in damages) == (
        CUT + WHOLE + WHOLE[:-1] + WHOLE + b"\0\0\n" + WHOLE[:20]
    )


def test_a_whole_or_empty_journal_has_no_damage(path):
    path.write_bytes(WHOLE * 3)
    assert scan(path) == []
    path.write_bytes(b"")
    assert scan(path) == []


def test_a_journal_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "journal.log")


def test_the_losses_are_told_by_the_numbers_of_the_trials(tmp_path):
    path = tmp_path / "journal.log"
    storage = JournalStorage(JournalFile(path))
    for name in ("a", "b"):
        study = optuna.create_study(storage=storage, study_name=name)
        for _ in range(3):
            study.ask()
    lost = [
        (b'{"op_code":7,"trial_id":4,"step":2,"in', "value of trial 1 at step 2"),
        (b'{"op_code":6,"trial_id":4,"state":1,', "new state of trial 1 (COMPL"),
        (
            b'{"op_code":5,"worker_id":"w","trial_id":4,"param_name":"lr",',
            "parameter lr of trial 1",
        ),
        (
            b'{"op_code":9,"worker_id":"w","trial_id":3,"system_attr":{"k"',
            "attribute k of trial 0",
        ),
        (b'{"op_code":4,"worker_id":"w","stu', "creation of a trial"),
        (b'{"op_code":7,"worker_id":"w","trial_id":4', "value of an unknown trial"),
    ]
    with path.open("ab") as file:
        file.writelines(piece + b"\n" for piece, _ in lost)
    for damage, (_, what) in zip(scan(path), lost, strict=True):
        assert what in damage.what


@pytest.mark.parametrize("hard_links", [True, False])
def test_the_copy_has_the_whole_records_and_the_old_file_is_kept(path, monkeypatch, hard_links):
    def refuse(*_):
        raise OSError("no hard links")

    if not hard_links:
        monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    path.chmod(0o640)
    records = list(JournalFile(path).read_logs(0))
    kept = mend_journal(path)
    assert path.read_bytes() == WHOLE * 5
    assert kept.read_bytes() == DAMAGED
    assert kept.name.startswith("journal.log.damaged-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert scan(path) == []
    assert list(JournalFile(path).read_logs(0)) == records
    assert {file.name for file in path.parent.iterdir()} == {path.name, kept.name}


def test_a_copy_that_cannot_be_written_changes_nothing(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        mend_journal(path)
    assert path.read_bytes() == DAMAGED
    assert [file.name for file in path.parent.iterdir()] == ["journal.log"]
