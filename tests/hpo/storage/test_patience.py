import threading
import time

import optuna
import pytest

from hpo.storage.opening import PatientStorage, open_storage


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
