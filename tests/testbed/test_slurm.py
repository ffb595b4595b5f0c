"""The cluster behaves as a real one where the sweeps depend on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.processes import processes_with, wait_until
from testbed.slurm import SlurmCluster

pytestmark = pytest.mark.slurm


def submit(cluster: SlurmCluster, script: str, *options: str) -> str:
    """Submit a shell script; return the number of the job."""
    return cluster.run("sbatch", "--parsable", *options, "--wrap", script).strip()


def states(cluster: SlurmCluster, job: str) -> list[str]:
    """The state of a job, of all tasks if it is an array."""
    mine = [j for j in cluster.jobs() if job in (j["JobId"], j.get("ArrayJobId"))]
    return [j["JobState"] for j in mine]


def wait_for_state(cluster: SlurmCluster, job: str, state: str, n: int = 1) -> None:
    """Wait until all `n` tasks of a job are in a state."""
    reached = wait_until(lambda: states(cluster, job) == [state] * n, 30)
    assert reached, f"expected {n} x {state}, got {states(cluster, job)}"


def wait_for_line(path: Path, line: str) -> None:
    """Wait until a file has a line."""
    found = wait_until(lambda: path.exists() and line in path.read_text().splitlines(), 30)
    assert found, path.read_text() if path.exists() else f"no {path}"


def fields(cluster: SlurmCluster, *arguments: str) -> list[list[str]]:
    """The lines of sacct, split."""
    lines = cluster.run("sacct", "--parsable2", *arguments).splitlines()
    return [line.split("|") for line in lines]


@pytest.fixture
def another(slurm: SlurmCluster, tmp_path: Path) -> Callable[..., SlurmCluster]:
    """Describes a second cluster, of two small nodes."""

    def make(grace_s: int = 15) -> SlurmCluster:
        return SlurmCluster(tmp_path / "another", n_nodes=2, cpus=4, grace_s=grace_s)

    return make


def test_an_array_of_16_tasks_runs_at_once_and_each_has_a_gpu_of_its_own(
    slurm: SlurmCluster,
) -> None:
    script = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; sleep 60"
    job = submit(slurm, script, "--array=0-15", "--gres=gpu:1", "-o", "gpu-%a.txt")
    wait_for_state(slurm, job, "RUNNING", n=16)
    files = [slurm.folder / f"gpu-{i}.txt" for i in range(16)]
    assert wait_until(lambda: all(f.exists() and f.read_text() for f in files), 10)
    expected = {f"{node} {gpu}\n" for node in slurm.nodes for gpu in range(4)}
    assert {f.read_text() for f in files} == expected
    slurm.run("scancel", job)
    wait_for_state(slurm, job, "CANCELLED", n=16)


def test_the_tasks_of_a_step_see_one_gpu_each(slurm: SlurmCluster) -> None:
    options = ("-N2", "-n4", "--ntasks-per-node=2", "--gpus-per-task=1")
    output = slurm.run("srun", *options, "sh", "-c", "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES")
    seen = [line.split() for line in sorted(output.splitlines())]
    assert [gpu for _, gpu in seen] == ["0", "1", "0", "1"]
    assert len({node for node, _ in seen}) == 2


def test_sacct_shows_the_tasks_of_an_array(slurm: SlurmCluster) -> None:
    job = submit(slurm, "exit $SLURM_ARRAY_TASK_ID", "--array=0-3%2", "--job-name=two words")
    wait_until(lambda: not {"PENDING", "RUNNING"} & set(states(slurm, job)), 30)
    header, *lines = fields(slurm, "-X", "-j", job, "-o", "JobID,State,JobName,ExitCode,Restarts")
    assert header == ["JobID", "State", "JobName", "ExitCode", "Restarts"]
    assert sorted(lines) == [
        [f"{job}_0", "COMPLETED", "two words", "0:0", "0"],
        *([f"{job}_{i}", "FAILED", "two words", f"{i}:0", "0"] for i in (1, 2, 3)),
    ]
    everything = fields(slurm, "-n", "--format=jobid%20,nodelist")
    assert {f"{job}_{i}" for i in range(4)} <= {name for name, _ in everything}
    assert {node for name, node in everything if name.startswith(job)} <= set(slurm.nodes)


def test_sacct_shows_the_waiting_tasks_of_an_array_as_one_line(slurm: SlurmCluster) -> None:
    job = submit(slurm, "true", "--array=0-3%2", "--hold")
    lines = fields(slurm, "-n", "-j", f"{job},7", "-o", "JobID,State,NodeList")
    assert lines == [[f"{job}_[0-3%2]", "PENDING", "None assigned"]]
    slurm.run("scancel", job)


def test_sacct_refuses_a_field_it_does_not_know(slurm: SlurmCluster) -> None:
    with pytest.raises(RuntimeError, match="Invalid field requested: MaxRSS"):
        slurm.run("sacct", "-o", "JobID,MaxRSS")


def test_the_job_of_a_dead_node_moves_to_another_one_and_the_node_can_come_back(
    slurm: SlurmCluster,
) -> None:
    script = "setsid sleep 300 & echo $SLURMD_NODENAME; sleep 300"
    job = submit(slurm, script, "-o", "moved.txt", "--open-mode=append")
    output = slurm.folder / "moved.txt"
    assert wait_until(lambda: output.exists() and bool(output.read_text()), 30)
    dead = output.read_text().strip()
    slurm.kill_node(dead)
    conf = slurm.environment["SLURM_CONF"]
    assert not processes_with(SLURM_CONF=conf, SLURMD_NODENAME=dead)
    assert wait_until(lambda: len(output.read_text().splitlines()) == 2, 60)
    assert output.read_text().splitlines()[1] != dead
    assert fields(slurm, "-n", "-j", job, "-o", "State,Restarts") == [["RUNNING", "1"]]
    slurm.run("scancel", job)
    slurm.start_node(dead)
    assert slurm.run("srun", "-w", dead, "printenv", "SLURMD_NODENAME").strip() == dead


def test_an_urgent_job_sends_another_one_its_signal_and_back_into_the_queue(
    another: Callable[..., SlurmCluster],
) -> None:
    script = 'trap "echo signal" USR2; echo start; while true; do sleep 0.1; done'
    with another(grace_s=2) as cluster:
        options = ("-w", "n0", "-c4", "--signal=B:USR2@90", "--open-mode=append")
        victim = submit(cluster, script, "-o", "victim.txt", *options)
        wait_for_line(cluster.folder / "victim.txt", "start")
        urgent = submit(cluster, "sleep 1", "-p", "urgent", "-w", "n0", "-c4")
        wait_for_line(cluster.folder / "victim.txt", "signal")
        wait_for_state(cluster, urgent, "COMPLETED")
        assert states(cluster, victim) == ["PENDING"]
        (line,) = fields(cluster, "-n", "-j", victim, "-o", "Restarts")
        assert line == ["1"]


def test_two_clusters_live_side_by_side_and_stop_leaves_no_process(
    slurm: SlurmCluster, another: Callable[..., SlurmCluster]
) -> None:
    job = submit(slurm, "sleep 300")
    with another() as cluster:
        submit(cluster, "setsid sleep 300 & touch started; sleep 300", "-o", "out.txt")
        submit(cluster, "sleep 300", "-c", "4", "--array=0-9")
        assert wait_until((cluster.folder / "started").exists, 30)
        with pytest.raises(RuntimeError, match="runs already"):
            cluster.start()
        spool = (cluster.folder / "spool").resolve()
        assert spool.is_dir()
    assert not processes_with(SLURM_CONF=cluster.environment["SLURM_CONF"], SLURMD_NODENAME=None)
    assert not cluster.running
    assert not spool.exists()
    cluster.stop()  # once more is no error
    wait_for_state(slurm, job, "RUNNING")
    slurm.run("scancel", job)


def test_a_stopped_cluster_starts_afresh_in_its_folder(
    another: Callable[..., SlurmCluster],
) -> None:
    with another() as cluster:
        first = submit(cluster, "true")
    with cluster:
        assert not cluster.jobs()
        assert submit(cluster, "true") != first


def test_impossible_clusters_and_nodes_are_refused(tmp_path: Path, slurm: SlurmCluster) -> None:
    with pytest.raises(ValueError, match="n_nodes=0"):
        SlurmCluster(tmp_path, n_nodes=0)
    with pytest.raises(ValueError, match="gpus=7"):
        SlurmCluster(tmp_path, gpus=7)
    with pytest.raises(ValueError, match="n0, n1, n2, n3, got 'n4'"):
        slurm.kill_node("n4")
