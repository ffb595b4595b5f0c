"""Sweeps as job arrays on a real SLURM: who may die, and what the study is afterwards."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from hpo.reporting.ledger import read_ledger

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(180)]

TOY = "toy/toy.py"
SLURM = ("-m", "hydra/launcher=hpo_slurm", "hydra.launcher.poll_s=0.5")
LONG = ("epochs=8", "epoch_s=0.4", "hydra.sweeper.n_workers=2")
# On a busy machine a second command may start late; it must find the first one's jobs.
LONGER = ("epochs=8", "epoch_s=1.5", "hydra.sweeper.n_workers=2")


@pytest.fixture
def sweep(shell, slurm):
    """Starts a sweep of the toy application as a command on the login node."""
    before = {job["JobId"] for job in slurm.jobs()}

    def start(*arguments):
        return shell(TOY, *SLURM, *arguments, environment=slurm.environment)

    yield start
    new = [job["JobId"] for job in slurm.jobs() if job["JobId"] not in before]
    slurm.run("scancel", *new, check=False)


@pytest.fixture
def arrays(slurm):
    """The array elements submitted during a test, by array."""
    known = {job["JobId"] for job in slurm.jobs()}

    def read():
        new = [job for job in slurm.jobs() if job["JobId"] not in known]
        return Counter(job.get("ArrayJobId", job["JobId"]) for job in new)

    return read


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def n_epochs(folder):
    return [len(f.read_text().split()) for f in sorted(folder.glob("sweep/trials/*/epochs"))]


def running(study):
    return {
        t.number: t.system_attrs["hpo:lease"]
        for t in study.get_trials(states=(TrialState.RUNNING,))
        if "id" in (t.system_attrs.get("hpo:lease") or {})
    }


def tasks():
    """Process numbers of the Python tasks of job steps on this machine."""
    command = ["pgrep", "-f", "submitit.core._submit"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(pid) for pid in found.stdout.split()]


def environment_of(pid):
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.partition("=")[::2] for entry in entries)


def started(tmp_path):
    return lambda: len(list(tmp_path.glob("sweep/trials/*/epochs"))) >= 2


def test_a_sweep_is_one_array_whose_workers_share_the_trials(
    sweep, study, slurm, arrays, tmp_path
):
    sizes = ("hydra.sweeper.n_workers=4", "hydra.sweeper.n_trials=16")
    code, output = sweep(*sizes, "hydra.job.chdir=true").end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 16}
    ((job_id, n_elements),) = arrays().items()
    assert n_elements == 4
    listed = slurm.run("sacct", "-o", "JobID,State", "--parsable2", "-j", job_id).split()[1:]
    assert sorted(listed) == [f"{job_id}_{i}|COMPLETED" for i in range(4)]
    assert "16 of 16 finished" in output
    workers = {trial.user_attrs["run"]["worker"] for trial in study().trials}
    assert len(workers) > 1
    for folder in tmp_path.glob("sweep/trials/*"):  # as in a plain run
        assert (folder / "directories").read_text() == f"{tmp_path} {folder}"


def test_a_budget_ends_the_jobs_at_a_report_and_the_ledger_knows_their_cost(
    sweep, study, slurm, tmp_path
):
    sizes = ("hydra.sweeper.n_trials=40", "hydra.sweeper.n_workers=2", "epochs=4", "epoch_s=0.3")
    more = ("hydra.launcher.gpus_per_trial=0", "hydra.launcher.cpus_per_task=2")
    asked = (*sizes, *more, "hydra.launcher.timeout_min=30")
    dry = sweep(*asked, "hydra.launcher.dry_run=true")
    code, output = dry.end()
    cost = "cost: at most 2 jobs x 30 min: 2 core-hours; a job at its limit is requeued"
    assert (code, cost in output) == (0, True), output
    assert "expected cost: not known, the study is new" in output
    code, output = sweep(*asked, "hydra.sweeper.budget.epochs=10").end()
    assert code == 0, output
    assert cost in output
    assert "has reached hydra.sweeper.budget.epochs=10 (1" in output
    after = study()
    assert 10 <= sum(len(trial.intermediate_values) for trial in after.trials) <= 11
    assert not any(trial.state == TrialState.RUNNING for trial in after.trials)
    assert not any("hpo:retries" in trial.system_attrs for trial in after.trials)
    assert not slurm.run("squeue", "-h")
    ledger = read_ledger(after._storage, after._study_id)
    records = [v for k, v in after.user_attrs.items() if k.startswith("hpo:worker:")]
    assert [(record["cores"], record["gpus"]) for record in records] == [(2.0, 0.0)] * 2
    assert all(0 <= record["queued_s"] < 60 for record in records)
    assert ledger.total.cost.core_h == pytest.approx(2 * ledger.total.hours)
    assert ledger.outcomes["lost"].core_h == 0
    code, output = sweep(*asked, "hydra.launcher.dry_run=true").end()
    assert "expected cost: " in output
    assert f"mean cost of the {len(after.get_trials(states=(TrialState.COMPLETE,)))} fin" in output


def test_ctrl_c_cancels_the_jobs_and_the_same_command_finishes(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    command = sweep(*LONG)
    wait_until(started(tmp_path))
    command.interrupt()
    code, output = command.end()
    assert code == 130, output
    assert states(study()) == {"WAITING": 4}
    assert not slurm.run("squeue", "-h")
    code, output = sweep(*LONG).end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 4}
    assert n_epochs(tmp_path) == [8] * 4  # no finished epoch was run again
    assert len(arrays()) == 2


def test_scancel_ends_the_sweep_instead_of_starting_another_array(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    command = sweep(*LONG)
    wait_until(lambda: started(tmp_path)() and len(running(study())) == 2)
    (job_id,) = arrays()
    slurm.run("scancel", job_id)
    code, output = command.end()
    assert code == 130, output
    assert f"job {job_id} was canceled (scancel): the study stays as it is; the same" in output
    assert states(study()) == {"WAITING": 4}
    assert not any("hpo:retries" in trial.system_attrs for trial in study().trials)
    assert len(arrays()) == 1


def test_the_other_elements_go_on_when_one_is_canceled(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    command = sweep(*LONG, "hydra.sweeper.n_trials=2", "epoch_s=0.3")
    wait_until(lambda: started(tmp_path)() and len(running(study())) == 2)
    (job_id,) = arrays()
    slurm.run("scancel", f"{job_id}_1")
    code, output = command.end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 2}
    assert len(arrays()) == 1
    assert n_epochs(tmp_path) == [8, 8]


def test_a_job_that_can_never_start_says_why_and_which_key_to_change(sweep, slurm, tmp_path):
    command = sweep("hydra.launcher.timeout_min=3000")
    said = ""
    while "PartitionTimeLimit" not in said:  # in its output, as soon as it is known
        said = command.process.stdout.readline()
    assert "waits (PartitionTimeLimit): lower hydra.launcher.timeout_min, or change" in said
    command.interrupt()
    assert command.end()[0] == 130


def test_a_failed_set_up_line_ends_the_sweep_and_is_named(sweep, study, arrays):
    code, output = sweep("hydra.launcher.setup=[umask 22,module load nope]").end()
    assert code == 1
    assert "line 2 of hydra.launcher.setup ended with code 127" in output
    assert len(arrays()) == 1
    assert "Traceback" not in output


def test_a_refused_submission_is_one_line_and_leaves_nothing_behind(sweep, arrays, tmp_path):
    code, output = sweep("hydra.launcher.partition=nope").end()
    assert code == 2
    assert "change hydra.launcher.partition" in output
    assert "Traceback" not in output
    assert not (tmp_path / "sweep").exists()
    assert not arrays()


@pytest.mark.parametrize(
    ("options", "failed"),
    [
        ([], None),
        (
            ["setup=[umask 22,module load nope]"],
            "job          line 2 of hydra.launcher.setup ended",
        ),
        (["python=[python-that-is-not-there]"], "job          job "),
    ],
)
def test_the_check_of_a_site_tries_a_job_and_makes_no_study(sweep, tmp_path, options, failed):
    given = [f"hydra.launcher.{option}" for option in options]
    code, output = sweep("hydra.launcher.check=true", *given).end()
    assert code == (failed is not None), output
    shown = [line for line in output.splitlines() if line.startswith("FAIL")]
    assert shown == [] if failed is None else failed in shown[0]
    assert ("ok   lock" in output) is (failed is None)
    assert not (tmp_path / "sweep").exists()


def test_detached_jobs_outlive_ctrl_c_and_the_same_command_attaches(
    sweep, study, arrays, tmp_path, wait_until
):
    command = sweep(*LONGER, "hydra.launcher.detach=true")
    wait_until(started(tmp_path))
    command.interrupt()
    code, output = command.end()
    assert code == 130
    assert "the same command shows them again" in output
    assert states(study())["RUNNING"] == 2
    code, output = sweep(*LONGER, "hydra.launcher.detach=true").end()
    assert code == 0, output
    assert "attached to array" in output
    assert states(study()) == {"COMPLETE": 4}
    assert len(arrays()) == 1
    assert n_epochs(tmp_path) == [8] * 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_sweep_outlives_the_command_that_submitted_it(
    sweep, study, arrays, tmp_path, wait_until, number
):
    command = sweep(*LONGER)
    wait_until(started(tmp_path))
    command.process.send_signal(number)
    command.end()
    code, output = sweep(*LONGER).end()
    assert code == 0, output
    assert "attached to array" in output
    assert states(study()) == {"COMPLETE": 4}
    assert len(arrays()) == 1
    assert n_epochs(tmp_path) == [8] * 4


def test_a_second_command_adds_an_array_to_the_same_study(
    sweep, study, arrays, tmp_path, wait_until
):
    arguments = (*LONG, "hydra.sweeper.n_trials=12")
    first = sweep(*arguments)
    wait_until(started(tmp_path))
    second = sweep(*arguments)
    ends = [command.end() for command in (first, second)]
    assert [code for code, _ in ends] == [0, 0], ends
    assert states(study()) == {"COMPLETE": 12}
    assert sorted(arrays().values()) == [2, 2]
    assert n_epochs(tmp_path) == [8] * 12


def test_a_warned_job_gives_its_trial_back_and_is_requeued(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    command = sweep(*LONG, "hydra.sweeper.n_workers=1", "hydra.sweeper.n_trials=2")
    wait_until(lambda: n_epochs(tmp_path) and n_epochs(tmp_path)[0] >= 2)
    (job_id,) = arrays()
    slurm.run("scancel", "--signal=USR2", job_id)
    code, output = command.end()
    assert code == 0, output
    (job,) = [job for job in slurm.jobs() if job["JobId"] == job_id]
    assert job["Restarts"] == "1"
    assert states(study()) == {"COMPLETE": 2}
    assert n_epochs(tmp_path) == [8, 8]
    assert all("hpo:retries" not in trial.system_attrs for trial in study().trials)


def test_the_last_element_of_an_array_requeues_itself_alone(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    # Its job number is that of the array, so a command about that number is about all elements.
    command = sweep(*LONG)
    wait_until(started(tmp_path))
    (array,) = arrays()
    slurm.run("scancel", "--signal=USR2", f"{array}_1")
    code, output = command.end()
    assert code == 0, output
    jobs = [job for job in slurm.jobs() if job.get("ArrayJobId") == array]
    assert {job["ArrayTaskId"]: job["Restarts"] for job in jobs} == {"0": "0", "1": "1"}
    assert {job["JobId"] for job in jobs if job["ArrayTaskId"] == "1"} == {array}
    assert states(study()) == {"COMPLETE": 4}
    assert n_epochs(tmp_path) == [8] * 4


def test_a_job_requeued_by_hand_goes_on(sweep, study, slurm, arrays, tmp_path, wait_until):
    command = sweep(*LONG, "hydra.sweeper.n_workers=1", "hydra.sweeper.n_trials=2")
    wait_until(lambda: n_epochs(tmp_path) and n_epochs(tmp_path)[0] >= 2)
    (job_id,) = arrays()
    slurm.run("scontrol", "requeue", job_id)
    code, output = command.end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 2}
    assert len(arrays()) == 1
    assert n_epochs(tmp_path) == [8, 8]


def test_a_killed_worker_does_not_abort_the_others(sweep, study, arrays, tmp_path, wait_until):
    command = sweep(*LONG)
    wait_until(lambda: started(tmp_path)() and len(running(study())) == 2)
    number, lease = next(iter(running(study()).items()))
    os.kill(lease["pid"], signal.SIGKILL)
    code, output = command.end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 4}
    assert study().trials[number].system_attrs["hpo:retries"] == 1
    assert sum(n_epochs(tmp_path)) <= 33  # at most the epoch in work was repeated


def test_a_node_that_dies_loses_an_epoch_at_most(
    sweep, study, slurm, arrays, tmp_path, wait_until
):
    command = sweep(*LONG, "hydra.sweeper.n_trials=3")
    wait_until(lambda: started(tmp_path)() and len(running(study())) == 2)
    victim = next(job for job in slurm.jobs() if job["JobState"] == "RUNNING")["NodeList"]
    slurm.kill_node(victim)
    try:
        code, output = command.end()
    finally:
        slurm.start_node(victim)
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 3}
    assert sum(n_epochs(tmp_path)) <= 25


def test_whole_nodes_are_packed_with_a_worker_per_gpu(sweep, study, arrays, tmp_path):
    whole = ("hydra.launcher.whole_nodes=true", "hydra.launcher.gpus_per_node=4")
    arguments = ("hydra.sweeper.n_workers=6", "hydra.sweeper.n_trials=16", "epoch_s=0.3")
    code, output = sweep(*whole, *arguments, "hydra.launcher.gpu_option=gres").end()
    assert code == 0, output
    assert "whole nodes: 8 workers instead of 6" in output
    assert list(arrays().values()) == [2]
    assert states(study()) == {"COMPLETE": 16}
    seen = set()
    for file in tmp_path.glob("sweep/trials/*/environment"):
        environment = json.loads(file.read_text())
        seen.add((environment["SLURMD_NODENAME"], environment["CUDA_VISIBLE_DEVICES"]))
        assert "SLURM_PROCID" not in environment
        assert "SLURM_NTASKS" not in environment
    assert len(seen) == 8
    assert {device for _, device in seen} == {"0", "1", "2", "3"}


def test_ranks_on_two_nodes_train_a_trial_together(sweep, study, tmp_path):
    over_nodes = ("hydra.launcher.gpus_per_trial=2", "hydra.launcher.gpus_per_node=1")
    pruned = ("hydra/sweeper/pruner=asha", "hydra.sweeper.n_trials=6", "epochs=4")
    code, output = sweep(*over_nodes, *pruned, "hydra.sweeper.n_workers=2").end()
    assert code == 0, output
    counts = states(study())
    assert counts["COMPLETE"] + counts["PRUNED"] == 6
    assert counts["PRUNED"]
    for trial in study().trials:
        folder = tmp_path / f"sweep/trials/{trial.number:04d}"
        ranks = [json.loads((folder / f"environment{rank}").read_text()) for rank in (0, 1)]
        assert [rank["WORLD_SIZE"] for rank in ranks] == ["2", "2"]
        assert [rank["GROUP_RANK"] for rank in ranks] == ["0", "1"]
        assert [rank["LOCAL_RANK"] for rank in ranks] == ["0", "0"]
        assert ranks[0]["MASTER_PORT"] == ranks[1]["MASTER_PORT"]
        assert len({rank["SLURMD_NODENAME"] for rank in ranks}) == 2
        epochs = [(folder / f"epochs{rank}").read_text().split() for rank in (0, 1)]
        assert len(epochs[0]) == len(epochs[1]) == trial.last_step


def test_a_rank_that_dies_takes_its_group_along_and_the_trial_goes_on(
    sweep, study, arrays, tmp_path, wait_until
):
    over_nodes = ("hydra.launcher.gpus_per_trial=2", "hydra.launcher.gpus_per_node=1")
    command = sweep(*over_nodes, *LONG, "hydra.sweeper.n_workers=1", "hydra.sweeper.n_trials=2")
    log = tmp_path / "sweep/trials/0000/epochs1"
    wait_until(lambda: log.exists() and len(log.read_text().split()) >= 2)
    (follower,) = [pid for pid in tasks() if environment_of(pid).get("SLURM_PROCID") == "1"]
    os.kill(follower, signal.SIGKILL)
    code, output = command.end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 2}
    assert sum(n_epochs(tmp_path)) <= 17


def test_paused_trials_are_promoted_on_any_worker(sweep, study, tmp_path):
    code, output = sweep(
        "hydra/sweeper/pruner=promotion",
        "hydra.sweeper.pruner.max_resource=9",
        "hydra.sweeper.n_trials=18",
        "hydra.sweeper.n_workers=3",
        "epochs=9",
    ).end()
    assert code == 0, output
    counts = states(study())
    reached = Counter(trial.last_step for trial in study().trials)
    assert {2, 9} <= set(reached) <= {2, 3, 5, 9}
    assert counts == {"COMPLETE": reached[9], "PRUNED": 18 - reached[9]}
    assert n_epochs(tmp_path) == [t.last_step for t in study().trials]  # none was run twice


def test_too_many_failures_cancel_what_is_left(sweep, study, slurm):
    code, output = sweep("raises=[0,1,2,3]", "hydra.sweeper.n_workers=2").end()
    assert code == 1
    assert "max_failure_rate" in output
    assert not slurm.run("squeue", "-h")


def test_a_plain_multirun_is_an_array_and_a_cancelled_job_does_not_disturb_it(
    shell, slurm, tmp_path, wait_until
):
    command = shell(
        TOY,
        "--config-name=plain",
        *SLURM,
        "hydra.sweep.dir=plain",
        "x=1,2,3",
        "epochs=30",
        "epoch_s=0.3",
        environment=slurm.environment,
    )
    wait_until(lambda: len(list(tmp_path.glob("plain/*/epochs"))) == 3)
    running = [job for job in slurm.jobs() if job["JobState"] == "RUNNING"]
    (job,) = [job for job in running if job.get("ArrayTaskId") == "1"]
    slurm.run("scancel", f"{job['ArrayJobId']}_1")
    code, output = command.end()
    assert code == 1
    assert "job 1 ended without a result" in output
    epochs = [len((tmp_path / f"plain/{i}/epochs").read_text().split()) for i in range(3)]
    assert epochs[0] == epochs[2] == 30
    assert epochs[1] < 30


def test_a_promoted_trial_goes_on_with_more_ranks(sweep, study, slurm, arrays, tmp_path):
    code, output = sweep(
        "hydra/sweeper/pruner=promotion",
        "hydra.sweeper.pruner.max_resource=9",
        "hydra.launcher.gpus_per_trial={0: 1, 3: 2}",
        "hydra.launcher.gpus_per_node=1",
        "hydra.sweeper.n_trials=9",
        "hydra.sweeper.n_workers=3",
        "epochs=9",
    ).end()
    assert code == 0, output
    reached = Counter(trial.last_step for trial in study().trials)
    assert {2, 9} <= set(reached) <= {2, 3, 5, 9}
    assert states(study()) == {"COMPLETE": reached[9], "PRUNED": 9 - reached[9]}
    for trial in study().trials:
        folder = tmp_path / f"sweep/trials/{trial.number:04d}"
        alone = len((folder / "epochs").read_text().split())
        assert alone == min(trial.last_step, 3)
        logs = [folder / f"epochs{rank}" for rank in (0, 1)]
        grown = [len(log.read_text().split()) if log.exists() else 0 for log in logs]
        assert grown == [trial.last_step - alone] * 2  # no epoch twice, and both ranks
    sizes = {launch["ranks"] for launch in launches(study())}
    assert sizes == {1, 2}
    assert len(arrays()) >= 2
    assert not slurm.run("squeue", "-h")


def launches(study):
    return [v for k, v in study.user_attrs.items() if k.startswith("hpo:launch:")]


def test_growing_needs_a_policy_that_pauses(sweep, tmp_path):
    grown = "hydra.launcher.gpus_per_trial={0: 1, 3: 2}"
    code, output = sweep(grown, "hydra/sweeper/pruner=asha").end()
    assert code == 2
    text = "hydra.launcher.gpus_per_trial by steps needs a policy that pauses trials"
    assert text in output
    assert not (tmp_path / "sweep").exists()
