"""A plain multirun as an array: what is submitted, waited for, returned."""

import signal
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hpo.launch.payload import Payload, write_result
from hpo.launch.slurm import launcher
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import SweepError


class Site:
    """A site that has run every job but those named when it is first asked."""

    def __init__(self, tmp_path, dead=(), **options):
        self.options = SlurmOptions(**{"poll_s": 0.0, **options})
        self.dead, self.canceled, self.queues = dead, [], [{"7": ["RUNNING"]}, None, {}]

    def submit(self, payload, jobs, folder, first):
        folder.mkdir(parents=True)
        for number, job in enumerate(jobs, first):
            if number not in self.dead:
                result = JobReturn(status=JobStatus.COMPLETED)
                result.return_value = job
                write_result(result, folder / f"result-{number}.pkl")
        return "7"

    def states(self):
        return self.queues.pop(0)

    def cancel(self, job_id):
        self.canceled.append(job_id)


@pytest.fixture
def payload(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "start_launcher", lambda config: None)
    hydra = {"sweep": {"dir": str(tmp_path)}, "launcher": {"gpus_per_trial": "${gpus}"}}
    return Payload(None, OmegaConf.create({"gpus": 1, "hydra": hydra}), None)


def test_results_come_in_order_when_the_array_has_left_the_queue(payload, tmp_path):
    site = Site(tmp_path)
    results = launcher.launch(site, payload, [("x=1",), ("x=2",)], 3)
    assert [result.return_value for result in results] == [["x=1"], ["x=2"]]
    assert site.queues == []


def test_a_job_without_a_result_has_failed_and_says_where_its_output_is(payload, tmp_path):
    results = launcher.launch(Site(tmp_path, dead=[4]), payload, [["x=1"], ["x=2"]], 3)
    assert results[0].status == JobStatus.COMPLETED
    with pytest.raises(RuntimeError, match=rf"job 4 ended without a result.* {tmp_path}/slurm/3-"):
        _ = results[1].return_value


@pytest.mark.parametrize(
    ("number", "detach", "canceled"),
    [
        (signal.SIGINT, False, ["7"]),
        (signal.SIGINT, True, []),
        (signal.SIGTERM, False, []),
    ],
)
def test_only_ctrl_c_cancels_the_jobs_unless_they_are_detached(
    payload, tmp_path, monkeypatch, number, detach, canceled
):
    site = Site(tmp_path, detach=detach)

    def interrupted():
        raise KeyboardInterrupt

    site.states = interrupted
    monkeypatch.setattr(launcher.signals, "received", lambda: number)
    with pytest.raises(KeyboardInterrupt):
        launcher.launch(site, payload, [["x=1"]], 0)
    assert site.canceled == canceled


def test_several_gpus_for_a_job_are_refused_by_the_key_that_was_typed(payload, tmp_path):
    with pytest.raises(SweepError, match=r"^gpus > 1 needs hydra/sweeper=optuna_async"):
        launcher.launch(Site(tmp_path, gpus_per_trial=2), payload, [["x=1"]], 0)


def test_a_refusal_of_sbatch_is_one_line(payload, tmp_path):
    def refuse(*_):
        raise ValueError("SLURM: invalid partition")

    site = Site(tmp_path)
    site.submit = refuse
    with pytest.raises(SweepError, match=r"^SLURM: invalid partition$"):
        launcher.launch(site, payload, [["x=1"]], 0)


def test_a_dry_run_submits_nothing(payload, tmp_path):
    shown = []
    site = SimpleNamespace(
        options=SlurmOptions(dry_run=True), show_script=lambda n, folder: shown.append(n)
    )
    assert launcher.launch(site, payload, [["x=1"], ["x=2"]], 0) == []
    assert shown == [2]
