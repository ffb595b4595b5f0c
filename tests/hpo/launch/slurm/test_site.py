"""What is asked of sbatch, squeue and scancel."""

import subprocess
from pathlib import Path

import pytest

from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.site import Slurm, job_script, n_elements
from hpo.settings import SettingError

JURECA = {"whole_nodes": True, "gpus_per_node": 4, "gpu_option": "gres", "cpus_per_task": 32}


def directives(options, n_jobs=3):
    script = job_script(SlurmOptions(dry_run=True, **options), n_jobs, Path("/sweep/workers/l"))
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    return dict(line.removeprefix("#SBATCH --").partition("=")[::2] for line in lines), script


@pytest.mark.parametrize(
    ("options", "n_jobs", "expected"), [({}, 5, 5), (JURECA, 5, 2), (JURECA, 8, 2), (JURECA, 1, 1)]
)
def test_jobs_are_packed_into_as_few_elements_as_hold_them(options, n_jobs, expected):
    assert n_elements(SlurmOptions(**options), n_jobs) == expected


def test_a_shared_node_is_asked_for_one_gpu_and_the_time_in_minutes():
    asked, script = directives({"timeout_min": 90, "partition": "gpu", "mem_gb": 7.5})
    assert asked["time"] == "90"
    assert asked["partition"] == "gpu"
    assert asked["mem"] == "7.5G"
    assert asked["gpus-per-node"] == "1"
    assert asked["ntasks-per-node"] == "1"
    assert asked["array"] == "0-2%3"
    assert "requeue" in asked
    assert "--kill-on-bad-exit=0" in script


def test_a_whole_node_is_asked_for_all_of_its_gpus_as_gres():
    asked, script = directives({**JURECA, "array_parallelism": 2}, n_jobs=12)
    assert asked["gres"] == "gpu:4"
    assert "gpus-per-node" not in asked
    assert asked["ntasks-per-node"] == "4"
    assert asked["array"] == "0-2%2"
    assert "export OMP_NUM_THREADS=${OMP_NUM_THREADS:-32}" in script


def test_ranks_of_a_trial_end_together_and_a_worker_without_gpu_asks_for_none():
    ranks = {"gpus_per_trial": 8, "gpus_per_node": 4}
    asked, script = directives(ranks)
    assert asked["nodes"] == "2"
    assert "--kill-on-bad-exit=1" in script
    asked, _ = directives({"gpus_per_trial": 0, "requeue": False, "sbatch": {"licenses": "a@b"}})
    assert "gpus-per-node" not in asked
    assert asked["licenses"] == "a@b"
    assert "no-requeue" in asked


def answer(monkeypatch, text=None):
    calls = []

    def run(command, **_):
        calls.append(command)
        if text is None:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr("hpo.launch.slurm.site.subprocess.run", run)
    return calls


def test_states_are_counted_by_array(monkeypatch):
    answer(monkeypatch, "7_0|RUNNING\n7_1|PENDING\n9|COMPLETING\n")
    assert Slurm(SlurmOptions()).states() == {"7": ["RUNNING", "PENDING"], "9": ["COMPLETING"]}


def test_a_site_that_does_not_answer_is_not_taken_for_an_empty_queue(monkeypatch):
    answer(monkeypatch)
    assert Slurm(SlurmOptions()).states() is None


def test_canceling_can_spare_what_runs(monkeypatch):
    calls = answer(monkeypatch, "")
    Slurm(SlurmOptions()).cancel("7", pending_only=True)
    Slurm(SlurmOptions()).cancel("7")
    assert calls == [["scancel", "--state=PENDING", "7"], ["scancel", "7"]]


@pytest.mark.parametrize(("there", "missing"), [("srun", "sbatch"), ("sbatch", "srun")])
def test_a_command_of_slurm_that_is_missing_is_told(monkeypatch, tmp_path, there, missing):
    (tmp_path / there).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match=rf"^SLURM: no {missing} on PATH.*dry_run=true"):
        Slurm(SlurmOptions()).checked()
    assert Slurm(SlurmOptions(dry_run=True)).checked().options.dry_run
