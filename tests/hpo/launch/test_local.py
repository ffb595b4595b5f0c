"""Sweeps as commands with worker processes: totals, interruptions, deaths, two shells."""

import json
import os
import signal
import subprocess
from collections import Counter
from types import SimpleNamespace

import optuna
import pytest

from commons.processes import is_alive
from hpo.launch import local
from hpo.launch.devices import Devices, Slots
from hpo.launch.options import LocalOptions

TOY = "toy/toy.py"
LOCAL = "hydra/launcher=hpo_local"


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def pids(study):
    """Process numbers of the workers by trial, while trials run."""
    running = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    leases = {trial.number: trial.system_attrs.get("hpo:lease") for trial in running}
    return {number: lease["pid"] for number, lease in leases.items() if "id" in (lease or {})}


def epochs_of(folder, number):
    return (folder / f"sweep/trials/{number:04d}/epochs").read_text().split()


def test_an_application_of_twenty_lines_runs_a_pruned_sweep(shell, study, tmp_path):
    code, output = shell("app/app.py", "-m").end()
    assert code == 0, output
    folder = tmp_path / "outputs/sweeps/app"
    counts = states(study("app", folder))
    assert counts["COMPLETE"] + counts["PRUNED"] == 30
    assert counts["PRUNED"] >= 10
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_trials"]["total"] == 30
    assert summary["n_trials"]["pruned"] == counts["PRUNED"]
    busy = summary["worker_busy_fraction"]
    assert busy is None or 0 < busy < 1  # None: the workers were there for less than a second
    assert "30 of 30 finished" in output
    for picture in ("history", "learning_curves", "importances"):
        assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_two_shells_share_a_study_and_its_total_is_exact(shell, study, tmp_path):
    arguments = ("-m", LOCAL, "hydra.sweeper.n_trials=40", "hydra.sweeper.n_workers=2")
    ends = [command.end() for command in [shell(TOY, *arguments), shell(TOY, *arguments)]]
    assert [code for code, _ in ends] == [0, 0], ends
    assert states(study()) == {"COMPLETE": 40}
    assert len(list((tmp_path / "sweep/trials").iterdir())) == 40
    # Every trial ran each of its epochs once, on any worker.
    assert all(epochs_of(tmp_path, n) == ["0", "1", "2"] for n in range(40))
    tables = ["40 of 40 finished: 40 complete" in output for _, output in ends]
    assert tables == [True, True]


def test_ctrl_c_in_the_parent_leaves_a_study_that_the_same_command_finishes(
    shell, study, tmp_path, wait_until
):
    arguments = ("-m", LOCAL, "hydra.sweeper.n_workers=2", "epochs=8", "epoch_s=0.2")
    command = shell(TOY, *arguments)
    wait_until(lambda: len(list(tmp_path.glob("sweep/trials/*/epochs"))) >= 2)
    command.interrupt()
    code, output = command.end()
    assert code == 130, output
    counts = states(study())
    assert counts["RUNNING"] == 0
    assert counts["FAIL"] == 0
    assert counts["WAITING"] >= 2
    code, output = shell(TOY, *arguments).end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 4}
    # Interrupted trials went on from their checkpoint: no epoch was run twice.
    assert all(epochs_of(tmp_path, n) == [str(e) for e in range(8)] for n in range(4))
    assert all(trial.last_step == 8 for trial in study().trials)


def test_the_trial_of_a_killed_worker_goes_on_elsewhere(shell, study, tmp_path, wait_until):
    command = shell(TOY, "-m", LOCAL, "hydra.sweeper.n_workers=2", "epochs=8", "epoch_s=0.2")
    wait_until(lambda: len(list(tmp_path.glob("sweep/trials/*/epochs"))) >= 2)
    number, pid = next(iter(pids(study()).items()))
    os.kill(pid, signal.SIGKILL)
    code, output = command.end()
    assert code == 0, output
    assert "was ended by signal 9" in output
    assert states(study()) == {"COMPLETE": 4}
    assert study().trials[number].system_attrs["hpo:retries"] == 1
    # At most the epoch in work was repeated.
    assert Counter(epochs_of(tmp_path, number)).total() <= 9


def test_workers_die_with_a_killed_parent_and_the_study_can_be_resumed(
    shell, study, tmp_path, wait_until
):
    arguments = ("-m", LOCAL, "hydra.sweeper.n_workers=2", "epochs=8", "epoch_s=0.1")
    command = shell(TOY, *arguments)
    wait_until(lambda: len(list(tmp_path.glob("sweep/trials/*/epochs"))) >= 2)
    command.process.kill()
    command.end()
    wait_until(lambda: not pids(study()))  # they give their trials back
    code, output = shell(TOY, *arguments).end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 4}


def test_a_plain_multirun_runs_in_processes_with_their_number_of_threads(shell, tmp_path):
    code, output = shell(
        TOY,
        "--config-name=plain",
        "-m",
        LOCAL,
        "hydra.launcher.threads_per_worker=3",
        "hydra.launcher.max_processes=1",
        "hydra.sweep.dir=plain",
        "raises=[],[-1]",
        environment=os.environ | {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"},
    ).end()
    assert code == 1
    assert "RuntimeError: no luck" in output
    assert (tmp_path / "plain/0/threads").read_text() == "3"
    assert (tmp_path / "plain/0/epochs").read_text() == "0\n1\n2\n"
    assert not (tmp_path / "plain/1/epochs").exists()
    for job in "01":  # one after the other, so both on the first
        environment = json.loads((tmp_path / f"plain/{job}/environment").read_text())
        assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-a"


def test_the_number_of_workers_is_what_fits_the_gpus_or_the_cores(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(local, "n_cores", lambda: 16)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert local.n_workers(LocalOptions(gpus_per_trial=2), None) == 2
    assert "workers: 2, for 4 GPUs" in caplog.text
    assert local.n_workers(LocalOptions(gpus_per_trial=0), None) == 16
    assert local.n_workers(LocalOptions(), 3) == 3
    with pytest.raises(ValueError, match="n_workers=9 is too many"):
        local.n_workers(LocalOptions(workers_per_gpu=2), 9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local.n_workers(LocalOptions(), None) == 16


def test_a_job_that_begins_gets_the_place_of_one_that_has_ended():
    jobs = [
        SimpleNamespace(slot=slot, is_running=lambda runs=runs: runs)
        for slot, runs in enumerate([True, False, True])
    ]
    assert local._wait_for_slot(jobs, at_once=3) == 1
    assert local._wait_for_slot(jobs, at_once=4) == 1
    assert local._wait_for_slot(jobs[:1] + jobs[2:], at_once=4) == 1


@pytest.fixture
def job(tmp_path):
    """Starts a job that leaves a process running; returns both, the process by its number."""

    def start(script, before=""):
        command = ["sh", "-c", f"{before} sleep 1000 >/dev/null & echo $!; {script}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        with process.stdout as stream:
            left = int(stream.readline())
        assert is_alive(left)
        return local._Job(process, 0, tmp_path / "output.txt", tmp_path / "0.pkl"), left

    return start


def test_what_a_job_has_left_running_is_killed_when_it_ends(job, wait_until):
    ended, left = job("true")
    wait_until(lambda: not ended.is_running())
    wait_until(lambda: not is_alive(left))


def test_a_job_that_does_not_heed_an_interruption_is_killed_with_all_it_has_started(
    job, wait_until
):
    deaf, left = job("while :; do sleep 0.1; done", before="trap '' INT;")
    local._stop([deaf], grace_s=0.2)
    assert deaf.process.returncode == -signal.SIGKILL
    wait_until(lambda: not is_alive(left))


@pytest.mark.parametrize(
    ("options", "n_gpus", "at_once", "cores", "gpus"),
    [
        ({}, 0, 2, "1", "0"),
        ({}, 0, 16, "0.5", "0"),
        ({"threads_per_worker": None}, 0, 2, "4", "0"),
        ({}, 2, 2, "1", "1"),
        ({"workers_per_gpu": 4}, 2, 8, "1", "0.25"),
        ({"gpus_per_trial": 0}, 2, 2, "1", "0"),
    ],
)
def test_a_worker_is_told_its_share_of_the_machine(
    monkeypatch, options, n_gpus, at_once, cores, gpus
):
    monkeypatch.setattr(local, "n_cores", lambda: 8)
    chosen = LocalOptions(**options)
    slots = Slots.of_machine(chosen, Devices(tuple(map(str, range(n_gpus)))))
    told = local.occupied(chosen, slots, at_once)
    assert told == {"HPO_CORES": cores, "HPO_GPUS": gpus}
