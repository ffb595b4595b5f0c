"""A plain multirun as an array: what is submitted, waited for, returned."""

import signal
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hpo.launch.payload import Payload, write_result
from hpo.launch.slurm import launcher
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import SettingError, SweepError, SweepFailure


class Site:
    """A site that has run every job but those named when it is first asked."""

    def __init__(self, tmp_path, dead=(), **options):
        self.options = SlurmOptions(**{"poll_s": 0.0, **options})
        self.dead, self.canceled, self.queues = dead, [], [{"7": ["RUNNING"]}, None, {}]

    def validate(self):
        """Whatever it is, sbatch would take it."""

    def arrays(self, n_jobs):
        return [(self, range(n_jobs))]

    def submit(self, payload, jobs, folder, first):
        folder.mkdir(parents=True, exist_ok=True)
        for number, job in enumerate(jobs, first):
            if number not in self.dead:
                result = JobReturn(status=JobStatus.COMPLETED)
                result.return_value = job
                write_result(result, folder / f"result-{number}.pkl")
        return "7"

    def queue(self):
        return self.queues.pop(0)

    def cancel(self, job_id):
        self.canceled.append(job_id)


@pytest.fixture
def payload(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "start_launcher", lambda config: None)
    monkeypatch.setattr(Payload, "compose", lambda self, overrides, number: None)
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

    site.queue = interrupted
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


def test_jobs_in_several_arrays_are_waited_for_and_numbered_through(payload, tmp_path):
    site, first = Site(tmp_path), []
    submit = site.submit
    site.arrays = lambda n_jobs: [(site, range(2)), (site, range(2, 3))]
    site.submit = lambda *given: first.append(given[3]) or submit(*given)
    results = launcher.launch(site, payload, [["x=1"], ["x=2"], ["x=3"]], 5)
    assert [result.return_value for result in results] == [["x=1"], ["x=2"], ["x=3"]]
    assert first == [5, 7]


def test_a_refused_array_takes_those_before_it_back(payload, tmp_path):
    site = Site(tmp_path)

    def refuse(*_):
        raise SettingError("SLURM refuses the job: too many")

    site.arrays = lambda n_jobs: [(site, range(1)), (SimpleNamespace(submit=refuse), range(1, 2))]
    with pytest.raises(SweepError, match="too many"):
        launcher.launch(site, payload, [["x=1"], ["x=2"]], 0)
    assert site.canceled == ["7"]


@pytest.mark.parametrize("dead", [[0], [0, 1]])
def test_a_set_up_line_that_failed_is_named_where_a_result_is_missing(payload, tmp_path, dead):
    site = Site(tmp_path, dead=dead)
    submit = site.submit

    def fail(payload, jobs, folder, first):
        job = submit(payload, jobs, folder, first)
        for number in dead:
            (folder / f"setup-failed-{number}").write_text("2 1 n0 module load nope\n")
        return job

    site.submit = fail
    said = r"line 2 of hydra.launcher.setup ended with code 1 on n0: module load nope$"
    if len(dead) == 2:
        with pytest.raises(SweepFailure, match=f"^no job began: {said}"):
            launcher.launch(site, payload, [["x=1"], ["x=2"]], 0)
        return
    results = launcher.launch(site, payload, [["x=1"], ["x=2"]], 0)
    assert results[1].return_value == ["x=2"]
    with pytest.raises(RuntimeError, match=f"^job 0 ended without a result.*; {said}"):
        _ = results[0].return_value


def test_a_check_of_the_site_submits_no_job_of_the_multirun(payload, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "check_site", lambda slurm, n_jobs, folder, config: n_jobs)
    with pytest.raises(SystemExit) as verdict:
        launcher.launch(Site(tmp_path, check=True), payload, [["x=1"], ["x=2"]], 0)
    assert verdict.value.code == 2


def test_each_job_is_composed_before_any_is_submitted(payload, tmp_path, monkeypatch):
    def compose(self, overrides, number):
        raise ValueError(f"job {number}: no such key: {overrides[0]}")

    monkeypatch.setattr(Payload, "compose", compose)
    with pytest.raises(ValueError, match="job 3: no such key: y=1"):
        launcher.launch(Site(tmp_path), payload, [["y=1"]], 3)
    assert not (tmp_path / "slurm").exists()


def test_a_dry_run_submits_nothing(payload, tmp_path):
    shown = []
    site = SimpleNamespace(
        options=SlurmOptions(dry_run=True), show_script=lambda n, folder: shown.append(n)
    )
    assert launcher.launch(site, payload, [["x=1"], ["x=2"]], 0) == []
    assert shown == [2]
