"""A process that runs one job: its result, its exit code, and what it leaves running."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from commons.processes import is_alive
from hpo.launch import job
from hpo.launch.payload import read_result


@pytest.fixture
def run_here(monkeypatch):
    """Runs a job in this process, which does not end with it."""
    monkeypatch.setattr(job, "signal_when_parent_dies", lambda: None)
    monkeypatch.setattr(job, "atexit", SimpleNamespace(register=lambda _: None))
    return job.run_job


def payload(config, error=None):
    def run(given):
        result = JobReturn(status=JobStatus.FAILED if error else JobStatus.COMPLETED)
        result.return_value = error or given.x
        return result

    return SimpleNamespace(config=config, run=run)


def test_a_job_runs_with_its_own_configuration_or_that_of_the_payload(run_here, tmp_path):
    common, own = OmegaConf.create({"x": 1}), OmegaConf.create({"x": 2})
    assert run_here(lambda: payload(common), None, tmp_path / "a") == 0
    assert run_here(lambda: payload(common), own, tmp_path / "b") == 0
    assert [read_result(tmp_path / x).return_value for x in "ab"] == [1, 2]


def test_the_error_of_a_job_is_its_exit_code_and_printed(run_here, tmp_path, capsys):
    failing = payload(OmegaConf.create({"x": 1}), RuntimeError("no luck"))
    assert run_here(lambda: failing, None, tmp_path / "a") == 1
    assert "RuntimeError: no luck" in capsys.readouterr().err
    assert read_result(tmp_path / "a").status == JobStatus.FAILED


def test_what_a_job_has_left_running_ends_with_it(tmp_path, wait_until):
    code = """
import subprocess, sys
from pathlib import Path
from types import SimpleNamespace
from hydra.core.utils import JobReturn, JobStatus
from hpo.launch.job import run_job

def run(_):
    print(subprocess.Popen(["sleep", "1000"], stdout=2).pid, flush=True)
    return JobReturn(status=JobStatus.COMPLETED)

sys.exit(run_job(lambda: SimpleNamespace(config=None, run=run), None, Path(sys.argv[1])))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wait_until(lambda: not is_alive(int(process.stdout)))
