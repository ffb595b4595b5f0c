"""What is asked of sbatch, squeue and scancel."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpo.launch.slurm.commands import Unanswered
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


@pytest.fixture
def asked(monkeypatch):
    """The commands that SLURM was asked, with an answer for each; an exception is raised."""
    calls = []

    def ask(*command, given=None):
        calls.append(command)
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer

    asked = SimpleNamespace(calls=calls, answer="")
    monkeypatch.setattr("hpo.launch.slurm.site.ask", ask)
    monkeypatch.setattr("hpo.launch.slurm.site.shutil.which", lambda name: name)
    return asked


def test_canceling_can_spare_what_runs(asked):
    Slurm(SlurmOptions()).cancel("7", pending_only=True)
    asked.answer = Unanswered("no such job")  # it has ended meanwhile
    Slurm(SlurmOptions()).cancel("7")
    assert asked.calls == [("scancel", "--state=PENDING", "7"), ("scancel", "7")]


def test_sbatch_is_asked_before_anything_is_submitted(asked):
    Slurm(SlurmOptions()).validate()
    assert asked.calls == [("sbatch", "--test-only")]
    asked.answer = Unanswered("Invalid account or account/partition combination specified")
    with pytest.raises(SettingError, match=r"^SLURM refuses the job: .*change account"):
        Slurm(SlurmOptions()).validate()


def test_a_site_where_nothing_is_free_is_no_refusal(asked, caplog):
    asked.answer = Unanswered("Requested nodes are busy")
    Slurm(SlurmOptions()).validate()
    assert "Requested nodes are busy; the jobs will wait" in caplog.text


@pytest.mark.parametrize(
    ("largest", "options", "n_jobs", "sizes", "at_once"),
    [
        (None, {}, 5, [5], None),
        (1001, {}, 1001, [1001], None),
        (1001, {"array_parallelism": 100}, 1500, [750, 750], 50),
        (1, {"array_parallelism": 2}, 3, [1, 1, 1], 1),
        (2, {"whole_nodes": True, "gpus_per_node": 4}, 18, [8, 8, 2], None),
    ],
)
def test_more_jobs_than_an_array_may_have_are_several_arrays(
    monkeypatch, largest, options, n_jobs, sizes, at_once
):
    monkeypatch.setattr("hpo.launch.slurm.site.largest_array", lambda: largest)
    arrays = Slurm(SlurmOptions(**options)).arrays(n_jobs)
    assert [len(jobs) for _, jobs in arrays] == sizes
    assert [number for _, jobs in arrays for number in jobs] == list(range(n_jobs))
    assert {site.options.array_parallelism for site, _ in arrays} == {at_once}


@pytest.mark.parametrize(("answer", "taken"), [("y", True), ("Yes", True), ("", False)])
def test_more_workers_than_max_workers_are_asked_back(monkeypatch, answer, taken):
    site, questions = Slurm(SlurmOptions(max_workers=3)), []
    site.confirm_size(3)
    with pytest.raises(SettingError, match=r"^4 workers are more than max_workers=3: take fewer"):
        site.confirm_size(4)  # no terminal
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda text: questions.append(text) or answer)
    with nullcontext() if taken else pytest.raises(SettingError):
        site.confirm_size(4)
    assert questions == ["Submit 4 workers (4 jobs)? [y/N] "]


def test_set_up_lines_are_guarded_and_teardown_is_not():
    _, script = directives({"setup": ["module load x"], "teardown": ["module purge"]}, n_jobs=1)
    before, after = script.split("module load x")
    assert "set -e\n" in before
    assert "/sweep/workers/l/setup-failed-" in before
    assert after.index("set +e") < after.index("srun") < after.index("module purge")
    assert "set -e" not in directives({}, n_jobs=1)[1]


@pytest.mark.parametrize(("there", "missing"), [("srun", "sbatch"), ("sbatch", "srun")])
def test_a_command_of_slurm_that_is_missing_is_told(monkeypatch, tmp_path, there, missing):
    (tmp_path / there).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match=rf"^SLURM: no {missing} on PATH.*dry_run=true"):
        Slurm(SlurmOptions()).checked()
    assert Slurm(SlurmOptions(dry_run=True)).checked().options.dry_run
