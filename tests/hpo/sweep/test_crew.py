"""When a crew starts workers, and what an interruption means for them."""

import signal
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from hpo.launch.payload import Payload
from hpo.launch.slurm.options import SlurmOptions
from hpo.protocols import Crew, Stopped
from hpo.search.space import Space
from hpo.settings import SettingError, SweepError
from hpo.study.study import SweepSpec
from hpo.sweep import crew as module
from hpo.sweep.crew import LaunchedCrew, SlurmCrew, plan


@pytest.fixture
def spec(tmp_path):
    space = Space({}, fixed=("epochs=3",))
    return SweepSpec(study_name="s", sweep_dir=tmp_path / "a, b", space=space)


@pytest.fixture
def app():
    context = SimpleNamespace(config_loader=None, callbacks=None)
    return Payload(context, OmegaConf.create({"hydra": {"launcher": {}}}), None, None)


def test_a_launch_names_its_folder_and_gives_each_worker_one(spec):
    launch_id, jobs, folder = plan(spec, 2)
    assert folder == spec.sweep_dir / "workers" / launch_id
    assert jobs[1] == [
        "epochs=3",
        f"hydra.sweep.dir='{spec.sweep_dir}'",
        "hydra.job.chdir=false",
        "hydra.output_subdir=null",
        f"hydra.sweep.subdir=workers/{launch_id}/1",
    ]
    assert plan(spec, 1)[0] != launch_id


@pytest.fixture
def launched(spec, app, monkeypatch):
    """A crew whose launcher notes how many workers it was given; the second one fails."""
    calls = []

    class Launcher:
        def launch(self, jobs, initial_job_idx):
            calls.append(len(jobs))
            return [None, "out of memory"][: len(jobs)]

    monkeypatch.setattr(module, "make_launcher", lambda *_: Launcher())
    monkeypatch.setattr(module, "error_of", lambda result: result)
    monkeypatch.setattr(module.time, "sleep", lambda s: None)
    return LaunchedCrew(spec, app), calls


def test_no_more_workers_are_launched_than_trials_wait(launched):
    crew, calls = launched
    assert crew.work(n_workers=4, n_waiting=1) == []
    assert crew.work(n_workers=2, n_waiting=9) == ["out of memory"]
    assert calls == [1, 2]


def test_nothing_is_launched_while_the_workers_of_another_command_have_the_rest(launched):
    crew, calls = launched
    assert crew.work(n_workers=4, n_waiting=0) is None
    assert calls == []


def test_the_configuration_of_the_user_is_not_changed(launched, app):
    launched[0].work(n_workers=4, n_waiting=4)
    assert app.config == {"hydra": {"launcher": {}}}


class Launches:
    """The arrays of a command: `alive` workers, what was done to them in `done`."""

    def __init__(self, *_):
        self.alive, self.done, self.jobs = 0, [], {}
        self.reasons, self.canceled = {}, None

    def adopt(self):
        return ["7"] if self.alive else []

    def n_alive(self):
        return self.alive

    def describe(self):
        return "array 7: 2 running"

    def stuck(self):
        return self.reasons

    def how_canceled(self):
        return self.canceled

    def __getattr__(self, name):
        return lambda *args, **named: self.done.append((name, *named.values()))


@pytest.fixture
def slurm(spec, app, monkeypatch):
    """Makes a crew on a site of two GPUs a node; returns it, its arrays, and what it submits."""
    monkeypatch.setattr(module, "Launches", Launches)
    submitted = []

    def make(**options):
        site = SimpleNamespace(
            options=SlurmOptions(poll_s=0, whole_nodes=True, gpus_per_node=2, **options),
            submit=lambda payload, jobs, folder: submitted.append(len(jobs)) or "8",
        )
        site.arrays = lambda n_jobs: [(site, range(n_jobs))]
        crew: Crew = SlurmCrew(spec, app, None, 0, site)
        return crew, crew._launches, submitted

    return make


def test_the_first_look_submits_what_is_missing_in_whole_nodes(slurm):
    crew, launches, submitted = slurm()
    launches.alive = 2
    assert crew.work(n_workers=5, n_waiting=9) is None
    assert submitted == [4]
    assert crew.status() == "array 7: 2 running"


def test_workers_are_replaced_when_all_are_gone_and_trials_wait(slurm):
    crew, launches, submitted = slurm()
    launches.alive = 4
    assert crew.work(n_workers=4, n_waiting=9) is None
    launches.alive = 1
    assert crew.work(n_workers=4, n_waiting=9) is None
    launches.alive = None  # SLURM does not answer
    assert crew.work(n_workers=4, n_waiting=9) is None
    launches.alive = 0
    assert crew.work(n_workers=4, n_waiting=0) is None
    assert submitted == []
    (reason,) = crew.work(n_workers=4, n_waiting=9)
    assert reason.endswith("/workers")
    assert submitted == [4]


def test_canceled_jobs_are_not_replaced(slurm):
    crew, launches, submitted = slurm()
    crew.work(n_workers=2, n_waiting=9)
    launches.canceled = "job 8 was canceled (scancel)"
    text = "job 8 was canceled (scancel): the study stays as it is; the same command continues it"
    with pytest.raises(Stopped) as stopped:
        crew.work(n_workers=2, n_waiting=0)  # the last trial may still seem to run
    assert str(stopped.value) == text
    assert submitted == [2]


def test_a_reason_to_wait_in_vain_is_told_once_with_the_key_that_was_typed(slurm, caplog):
    crew, launches, _ = slurm()
    launches.alive = 2
    launches.reasons = {"PartitionTimeLimit": ("7", SettingError("lower {timeout_min}"))}
    for _ in range(2):
        crew.work(n_workers=2, n_waiting=9)
    said = [line for line in caplog.messages if "PartitionTimeLimit" in line]
    assert said == ["array 7 waits (PartitionTimeLimit): lower hydra.launcher.timeout_min"]


def test_a_set_up_that_fails_before_any_worker_begins_ends_the_sweep(slurm, spec, caplog):
    crew, launches, submitted = slurm()
    folder = spec.sweep_dir / "workers/a"
    folder.mkdir(parents=True)
    crew.work(n_workers=2, n_waiting=9)
    launches.jobs = {"a": "8"}
    (folder / "setup-failed-0").write_text("2 1 n0 module load nope\n")
    said = "array 8: line 2 of hydra.launcher.setup ended with code 1 on n0: module load nope"
    with pytest.raises(SweepError, match=said):
        crew.work(n_workers=2, n_waiting=9)
    assert caplog.messages[-1] == said
    (folder / "0").mkdir()  # on another node a worker began
    assert crew.work(n_workers=2, n_waiting=9)
    assert submitted == [2, 2]


def test_a_refusal_after_the_first_array_leaves_the_first_one(slurm, caplog):
    crew, _, submitted = slurm()

    def refuse(*_):
        raise SettingError("SLURM refuses the job: AssocMaxSubmitJobLimit")

    site = crew._slurm
    full = SimpleNamespace(submit=refuse)
    site.arrays = lambda n_jobs: [(site, range(2)), (full, range(2, 4))]
    assert crew.work(n_workers=4, n_waiting=9) is None
    assert submitted == [2]
    assert "AssocMaxSubmitJobLimit; the sweep goes on" in caplog.text
    site.arrays = lambda n_jobs: [(full, range(4))]
    with pytest.raises(SweepError, match=r"AssocMaxSubmitJobLimit$"):
        crew.work(n_workers=4, n_waiting=9)


def test_more_workers_than_waiting_trials_are_not_submitted_and_that_is_said(slurm, caplog):
    caplog.set_level("INFO")
    crew, _, submitted = slurm()
    crew.work(n_workers=100, n_waiting=4)
    assert submitted == [4]
    assert "4 trials wait: no more workers than that are submitted" in caplog.text


@pytest.mark.parametrize(
    ("number", "detach", "expected"),
    [
        (signal.SIGINT, False, ["cancel", "wait_until_gone"]),
        (signal.SIGINT, True, ["let_go"]),
        (signal.SIGHUP, False, ["let_go"]),
    ],
)
def test_only_ctrl_c_cancels_the_jobs_unless_they_are_detached(
    slurm, monkeypatch, number, detach, expected
):
    crew, launches, _ = slurm(detach=detach)
    monkeypatch.setattr(module.signals, "received", lambda: number)
    crew.leave()
    assert [name for name, *_ in launches.done] == expected


def test_at_the_end_pending_jobs_are_canceled_and_running_ones_may_end(slurm):
    crew, launches, _ = slurm()
    crew.finish()
    assert launches.done == [("cancel", True), ("wait_until_gone",)]


def test_a_crew_of_processes_has_ended_when_its_launcher_returns(launched):
    assert launched[0].drain() is False


def test_jobs_that_run_are_waited_for_and_those_that_do_not_are_canceled_once(slurm):
    crew, launches, submitted = slurm()
    assert crew.drain() is False  # none is watched
    launches.alive, launches.jobs = 4, {"a": "7"}
    assert [crew.drain(), crew.drain()] == [True, True]
    launches.alive = None  # SLURM does not answer
    assert crew.drain() is True
    launches.alive = 0
    assert crew.drain() is False
    assert launches.done.count(("cancel", True)) == 1
    assert submitted == []
