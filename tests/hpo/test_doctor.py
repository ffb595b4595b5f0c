import json
import os
import subprocess
import sys
import threading
import time

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from commons.locks import FileLock
from commons.processes import this_host
from hpo.attributes import BEAT, LEASE, LEASE_S, N_TRIALS, RETRIES
from hpo.doctor import main
from hpo.storage.opening import open_storage
from hpo.storage.records import dump
from hpo.storage.repair import scan
from hpo.study.lease import Lease

CUT = b'{"op_code":7,"worker_id":"w","trial_id":1,"step":3,"interme'


@pytest.fixture
def sweep(tmp_path):
    """A sweep folder with a study "s" of three finished trials; returns its storage."""
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    study.set_user_attr(N_TRIALS, 5)
    study.set_user_attr(LEASE_S, 0.1)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return storage


@pytest.fixture
def doctor(tmp_path, capsys):
    """Runs the command on the folder; returns its exit code and what it printed."""

    def run(*arguments):
        code = main([str(tmp_path), *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def damage(folder, *pieces):
    with (folder / "journal.log").open("ab") as file:
        file.writelines(pieces)


def begin(storage, **lease):
    """Begin a trial and leave it with a lease."""
    study = optuna.load_study(study_name="s", storage=storage)
    trial = study.ask()
    content = {"id": "i", "host": "elsewhere", "pid": 1, **lease}
    storage.set_trial_system_attr(trial._trial_id, LEASE, content)
    return trial


def a_dead_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def state(folder, number):
    study = optuna.load_study(study_name="s", storage=open_storage(None, folder))
    return study.trials[number].state


def test_a_healthy_study_is_left_alone(tmp_path, sweep, doctor):
    before = (tmp_path / "journal.log").read_bytes()
    with Lease(sweep, optuna.load_study(study_name="s", storage=sweep).ask()._trial_id, 60):
        during = (tmp_path / "journal.log").read_bytes()
        code, printed = doctor()
        assert (tmp_path / "journal.log").read_bytes() == during != before
    assert code == 0
    assert "study s: 1 RUNNING, 3 COMPLETE" in printed
    assert "no damage" in printed
    assert "nothing is wrong" in printed


def test_a_damaged_journal_is_replaced_and_optuna_can_read_it_again(tmp_path, sweep, doctor):
    damage(tmp_path, CUT + b"\n", b"\0" * 20 + CUT)
    path = tmp_path / "journal.log"
    damaged = path.read_bytes()
    path.chmod(0o664)

    def optunas():
        backend = JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        return optuna.load_study(study_name="s", storage=JournalStorage(backend))

    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        optunas()
    code, printed = doctor()
    assert code == 0
    assert "torn line at byte" in printed
    assert printed.count("lost: value of trial 1 at step 3") == 1
    assert "20 NUL bytes; value of trial 1 at step 3" in printed
    [kept] = tmp_path.glob("journal.log.damaged-*")
    assert f"mended; the damaged file is kept as {kept.name}" in printed
    assert kept.read_bytes() == damaged
    assert scan(path) == []
    assert path.stat().st_mode & 0o777 == 0o664
    assert [trial.number for trial in optunas().trials] == [0, 1, 2]
    assert {file.name for file in tmp_path.iterdir()} == {"journal.log", kept.name}
    assert "nothing is wrong" in doctor()[1]


def test_whole_records_in_a_damaged_line_are_kept(tmp_path, sweep, doctor):
    trial = optuna.load_study(study_name="s", storage=sweep).ask()
    report = {
        "op_code": 7,
        "worker_id": "w",
        "trial_id": trial._trial_id,
        "step": 1,
        "intermediate_value": 0.5,
    }
    end = {
        "op_code": 6,
        "worker_id": "w",
        "trial_id": trial._trial_id,
        "state": 1,
        "values": [0.5],
        "datetime_complete": "2026-01-01T00:00:00+00:00",
    }
    damage(tmp_path, CUT, dump(report)[:-1], dump(end))
    code, printed = doctor()
    assert code == 0
    assert "records kept: 2" in printed
    trials = optuna.load_study(study_name="s", storage=open_storage(None, tmp_path)).trials
    assert trials[3].state == TrialState.COMPLETE
    assert trials[3].intermediate_values == {1: 0.5}


def test_a_storage_that_was_open_before_goes_on_after_the_mending(tmp_path, sweep, doctor):
    damage(tmp_path, CUT)
    study = optuna.load_study(study_name="s", storage=sweep)
    assert doctor()[0] == 0
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert state(tmp_path, 3) == TrialState.COMPLETE
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]


def test_a_journal_in_use_is_not_replaced(tmp_path, sweep, doctor):
    begin(sweep, host=this_host(), pid=os.getpid())
    optuna.load_study(study_name="s", storage=sweep).set_user_attr(LEASE_S, 60)
    damage(tmp_path, CUT + b"\n")
    code, printed = doctor()
    assert code == 1
    assert "not mended, as trial 3 of study s is running" in printed
    assert not list(tmp_path.glob("*damaged*"))
    assert state(tmp_path, 3) == TrialState.RUNNING


def test_looking_changes_nothing(tmp_path, sweep, doctor):
    begin(sweep)
    damage(tmp_path, CUT + b"\n")
    lock = {"host": this_host(), "pid": a_dead_process(), "token": "t"}
    (tmp_path / "tickets.lock").write_text(json.dumps(lock))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, printed = doctor("mend=false")
    assert code == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert "that process is dead; mend=true removes it" in printed
    assert "mend=true gives it back" in printed
    assert "mend=true replaces it by a clean copy" in printed
    assert "left for you: 3, mended: 0" in printed
    code, printed = doctor()
    assert code == 0
    assert "left for you: 0, mended: 3" in printed


@pytest.mark.parametrize(
    ("lease", "reason"),
    [
        ({}, "process 1 of elsewhere has not renewed its lease for 0.1 s"),
        ({"expires": 9e9}, "process 1 of elsewhere has not renewed its lease"),  # of old studies
        ({"host": this_host(), "pid": 2**22 + 1}, "is dead"),
    ],
)
def test_a_trial_whose_worker_is_gone_is_given_back(tmp_path, sweep, doctor, lease, reason):
    begin(sweep, **lease)
    code, printed = doctor("study=s")
    assert code == 0
    assert "trial 3: " in printed
    assert reason in printed
    assert "given back, the next worker goes on with it" in printed
    assert state(tmp_path, 3) == TrialState.WAITING


def test_a_trial_is_never_given_up(tmp_path, sweep, doctor):
    trial = begin(sweep)
    sweep.set_trial_system_attr(trial._trial_id, RETRIES, 100)
    assert doctor()[0] == 0
    assert state(tmp_path, 3) == TrialState.WAITING


def test_a_trial_without_a_lease_is_given_back_when_old(tmp_path, sweep, doctor):
    study = optuna.load_study(study_name="s", storage=sweep)
    study.ask()
    code, printed = doctor()  # the duration is that of the study, not a default
    assert code == 0
    assert "its worker died before it took the lease" in printed
    assert state(tmp_path, 3) == TrialState.WAITING


def test_a_worker_of_another_host_that_shows_life_keeps_its_trial(
    tmp_path, sweep, doctor, monkeypatch
):
    trial = begin(sweep)
    optuna.load_study(study_name="s", storage=sweep).set_user_attr(LEASE_S, 60)
    beat = [*range(9)]

    def sleep(_):
        other = open_storage(None, tmp_path)
        other.set_trial_system_attr(trial._trial_id, BEAT, ["i", beat.pop()])

    monkeypatch.setattr("hpo.doctor.time.sleep", sleep)
    code, printed = doctor()
    assert code == 0
    assert "running: 1; looking for up to 60 s whether their workers live" in printed
    assert len(beat) == 8
    assert state(tmp_path, 3) == TrialState.RUNNING


def test_a_clock_that_is_off_is_told(tmp_path, sweep, doctor, monkeypatch):
    now = time.time
    monkeypatch.setattr("commons.clocks.time.time", lambda: now() - 600)
    code, printed = doctor()
    assert code == 1
    assert "! the clock of this host is 600 s behind that of the file system" in printed


def test_trials_of_plain_optuna_are_left_to_a_person(tmp_path, doctor):
    storage = open_storage(None, tmp_path)
    optuna.create_study(storage=storage, study_name="s").ask()
    damage(tmp_path, CUT + b"\n")
    code, printed = doctor()
    assert code == 1
    assert "trial 0 runs without a lease" in printed
    assert "study.tell(0, state=optuna.trial.TrialState.FAIL)" in printed
    assert "not mended, as trial 0 of study s is running" in printed
    assert state(tmp_path, 0) == TrialState.RUNNING


def test_a_lock_left_behind_is_removed(tmp_path, sweep, doctor, monkeypatch):
    lock = {"host": this_host(), "pid": a_dead_process(), "token": "t"}
    (tmp_path / "journal.log.lock").write_text(json.dumps(lock))
    os.utime(tmp_path / "journal.log.lock", (time.time() - 600, time.time() - 600))
    code, printed = doctor()
    assert code == 0
    assert f"lock journal.log.lock of process {lock['pid']} of" in printed
    assert "10 min old: it was left behind; removed" in printed
    assert not (tmp_path / "journal.log.lock").exists()


def test_a_lock_of_unknown_make_is_removed_when_nobody_touches_it(
    tmp_path, sweep, doctor, monkeypatch
):
    monkeypatch.setattr("hpo.doctor.FileLock", lambda path: FileLock(path, grace_s=0.3))
    (tmp_path / "tickets.lock").touch()
    code, printed = doctor()
    assert code == 0
    assert "lock tickets.lock of an unknown process" in printed
    assert not (tmp_path / "tickets.lock").exists()


def test_a_lock_in_use_is_left_alone(tmp_path, sweep, doctor):
    with FileLock(tmp_path / "tickets") as held:
        assert "if it stays, mend=true finds out" in doctor("mend=false")[1]
        stop = threading.Event()

        def refresh():
            while not stop.wait(0.05):
                os.utime(held.file)

        owner = threading.Thread(target=refresh)
        owner.start()
        code, printed = doctor()
        stop.set()
        owner.join()
        assert code == 0
        assert "tickets.lock" in printed
        assert "old: in use" in printed
        assert held.file.exists()


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, sweep, doctor, monkeypatch):
    begin(sweep)
    damage(tmp_path, CUT + b"\n")
    before = (tmp_path / "journal.log").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hpo.storage.journal.os.write", full)
    code, printed = doctor()
    assert code == 1
    assert "trials could not be given back: [Errno 28] No space left" in printed
    assert "it could not be mended: [Errno 28] No space left" in printed
    assert (tmp_path / "journal.log").read_bytes() == before


def test_a_copy_that_did_not_fit_is_removed(tmp_path, sweep, doctor, monkeypatch):
    damage(tmp_path, CUT + b"\n")
    before = (tmp_path / "journal.log").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hpo.storage.repair.os.fsync", full)
    code, printed = doctor()
    assert code == 1
    assert "it could not be mended: [Errno 28] No space left" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["journal.log"]
    assert (tmp_path / "journal.log").read_bytes() == before


def test_the_trials_of_a_database_are_looked_after_too(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/study.db"
    storage = open_storage(url, tmp_path)
    optuna.create_study(storage=storage, study_name="s").set_user_attr(LEASE_S, 0.1)
    begin(storage)
    assert main([f"storage={url}"]) == 0
    printed = capsys.readouterr().out
    assert "given back" in printed
    assert "journal" not in printed
    assert optuna.load_study(study_name="s", storage=storage).trials[0].state == TrialState.WAITING


def test_several_studies_are_all_looked_at(tmp_path, sweep, doctor):
    optuna.create_study(storage=sweep, study_name="t")
    printed = doctor()[1]
    assert "study s: 3 COMPLETE" in printed
    assert "study t: no trial" in printed
    assert "study t" not in doctor("study=s")[1]


def test_it_runs_as_a_command(tmp_path, sweep):
    damage(tmp_path, CUT + b"\n")
    command = [sys.executable, "-m", "hpo.doctor", f"storage={tmp_path}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "mended; the damaged file is kept" in result.stdout
    assert result.stderr == ""


def test_help_explains_each_key(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(key in printed for key in ("storage", "study", "mend", "Exit code"))
    assert main([]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["storage={folder}", "study=t"], "study=t: the storage has s"),
        (["storage={folder}/nothing.log"], "no such journal file"),
        (["storage=sqlite:///{folder}/nothing.db"], "no such file"),
        (["study=s"], "storage=... is missing"),
        (["storage={folder}", "colour=red"], "colour: no such key"),
        (["storage={folder}", "mend=maybe"], "mend=maybe: expected true or false"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, sweep, capsys, arguments, message):
    assert main([argument.format(folder=tmp_path) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_attributes_of_the_wrong_type_are_named_and_stop_nobody(tmp_path, sweep, doctor):
    study = optuna.load_study(study_name="s", storage=sweep)
    trial = study.ask()
    for name, value in {LEASE: "x\x1b[2J", RETRIES: "many"}.items():
        sweep.set_trial_system_attr(trial._trial_id, name, value)
    study.set_user_attr(LEASE_S, {})
    trial.set_user_attr("seconds", "long")
    study.tell(trial, 1.0)
    damage(tmp_path, dump({"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": 7}))
    code, printed = doctor("mend=false")
    assert code == 1
    assert "attribute hpo:lease_s of the study is of the wrong type and ignored: {}" in printed
    assert f"! attribute hpo:retries of trial {trial.number} is of the wrong type" in _flat(
        printed
    )
    assert "\x1b" not in printed
    assert f" attribute seconds of trial {trial.number} is of the wrong type" in printed
    assert "lost: creation of a trial" in printed


def _flat(text):
    return " ".join(text.split())
