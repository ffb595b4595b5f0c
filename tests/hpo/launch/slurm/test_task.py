"""What a task of a job step does: its place, its GPUs, its part of the work."""

import subprocess
from types import SimpleNamespace

import pytest

from hpo.hydra_internals import JobReturn
from hpo.launch.slurm import task as module
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.task import (
    ArrayTask,
    Place,
    choose_devices,
    occupied,
    queued,
    requeue,
    state,
)

STEP = {
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_RESTART_COUNT": "2",
    "SLURM_JOB_ID": "70",
    "SLURM_ARRAY_JOB_ID": "70",
    "SLURM_ARRAY_TASK_ID": "4",
}


@pytest.fixture
def step(monkeypatch):
    for name in STEP:
        monkeypatch.delenv(name, raising=False)
    return lambda **changes: [monkeypatch.setenv(k, v) for k, v in {**STEP, **changes}.items()]


def test_a_place_is_read_from_the_environment_and_names_its_element_alone(step):
    step()
    assert Place.from_environment() == Place(rank=3, local_rank=1, restart=2, job_id="70_4")


def test_outside_of_a_job_a_place_is_the_first(step):
    assert Place.from_environment() == Place(rank=0, local_rank=0, restart=0, job_id="0")


@pytest.mark.parametrize(
    ("visible", "local_rank", "n_devices", "n_tasks", "left"),
    [
        ("0,1,2,3", 2, 1, 4, "2"),
        ("0,1,2,3", 3, 2, 4, "2,3"),
        ("0,1,2,3", 5, 1, 8, "1"),  # two workers share a GPU
        ("0", 2, 1, 4, "0"),  # SLURM has restricted it already
        ("0,1", 1, 2, 2, "0,1"),  # the ranks of a trial see each other's
    ],
)
def test_a_task_sees_the_gpus_of_its_own_trial(
    monkeypatch, visible, local_rank, n_devices, n_tasks, left
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    choose_devices(local_rank, n_devices, n_tasks)
    assert module.os.environ["CUDA_VISIBLE_DEVICES"] == left


@pytest.fixture
def scontrol(monkeypatch):
    """Stands in for scontrol; `said` is the state of every job."""
    stub = SimpleNamespace(said="RUNNING", calls=[])

    def run(command, **_):
        stub.calls.append(command[1:])
        if stub.said is None:
            raise subprocess.TimeoutExpired(command, 60)
        return subprocess.CompletedProcess(command, 0, f"JobId=7 JobState={stub.said} Name=a", "")

    monkeypatch.setattr("hpo.launch.slurm.task.subprocess.run", run)
    return stub


@pytest.mark.parametrize(
    ("said", "requeued"),
    [("RUNNING", True), ("PREEMPTED", True), ("CANCELLED", False), ("PENDING", False)],
)
def test_a_job_goes_back_to_the_queue_unless_it_was_canceled_or_is_there(scontrol, said, requeued):
    scontrol.said = said
    assert state("7_1") == said
    requeue("7_1")
    assert (["requeue", "7_1"] in scontrol.calls) is requeued


def test_a_site_that_does_not_answer_does_not_fail_the_job(scontrol, caplog):
    scontrol.said = None
    requeue("7_1")
    assert "could not requeue job 7_1" in caplog.text


class Worker:
    """A worker of a sweep, as the task sees it."""

    def __init__(self):
        self.done = []

    def __call__(self, config):
        """Led by Hydra's `run_job`; here never called."""

    def join(self, group):
        self.done.append((group.rank, group.size, group.folder.name))

    def follow(self):
        self.done.append("follow")

    def rehearse(self):
        """Called by a process that is forked for workers."""

    def composed(self, overrides):
        """Asked by a payload when it composes."""


@pytest.fixture
def run(monkeypatch, tmp_path, step):
    """Runs one task of an array of five jobs; returns what it has done."""
    monkeypatch.setattr(module.HydraConfig, "instance", lambda: SimpleNamespace(set_config=len))

    def run(function, options, element, **place):
        done = getattr(function, "done", [])
        payload = SimpleNamespace(
            function=function,
            compose=lambda overrides, number: overrides,
            run=lambda config: done.append(config) or JobReturn(),
        )
        monkeypatch.setattr(module, "unpack", lambda _: payload)
        monkeypatch.setattr(module, "write_result", lambda _, path: done.append(path.name))
        step(SLURM_RESTART_COUNT="0", **place)
        jobs = [[f"x={i}"] for i in range(5)]
        ArrayTask(b"", jobs, 10, SlurmOptions(**options), tmp_path)(element)
        return done

    return run


WHOLE = {"whole_nodes": True, "gpus_per_node": 4}


def test_a_plain_job_leaves_a_result_under_its_number(run):
    def function(config):
        """A task function."""

    function.done = []
    assert run(function, WHOLE, 0, SLURM_PROCID="3") == [["x=3"], "result-13.pkl"]


def test_tasks_beyond_the_last_job_do_nothing(run):
    assert run(Worker(), WHOLE, 1, SLURM_PROCID="1") == []


def test_the_first_rank_of_a_group_leads_and_the_others_follow(run):
    pairs = {**WHOLE, "gpus_per_trial": 2}
    assert run(Worker(), pairs, 1, SLURM_PROCID="2") == [(0, 2, "ranks-3-0"), ["x=3"]]
    assert run(Worker(), pairs, 1, SLURM_PROCID="3") == [(1, 2, "ranks-3-0"), "follow"]


@pytest.mark.parametrize(
    ("options", "cpus", "cores", "gpus"),
    [
        ({"gpus_per_trial": 0}, "2", "2", "0"),
        (WHOLE, "64", "16", "1"),
        ({**WHOLE, "gpus_per_trial": 8}, "48(x2)", "96", "8"),
        ({**WHOLE, "tasks_per_node": 8}, "64", "8", "0.5"),
        ({"gpus_per_trial": 0}, "", None, "0"),
    ],
)
def test_a_worker_is_told_its_share_of_the_element(options, cpus, cores, gpus):
    told = occupied(SlurmOptions(**options), {"SLURM_JOB_CPUS_PER_NODE": cpus})
    assert (told.get("HPO_CORES"), told["HPO_GPUS"]) == (cores, gpus)


def test_the_first_start_of_a_job_is_told_since_when_it_waits():
    assert queued(12.5, 0) == {"HPO_SUBMITTED": "12.500"}
    assert queued(12.5, 1) == queued(0.0, 0) == {}
