"""What a worker does around the application; `study/test_life.py` has what becomes of trials."""

import json
import os
import sys
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import optuna
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

import hpo
from hpo.launch.payload import Payload
from hpo.ranks import Group
from hpo.search.space import Space
from hpo.study.study import SweepSpec
from hpo.sweep.crew import application, plan, worker
from hpo.worker import worker as module
from hpo.worker.template import make_template
from hpo.worker.worker import Worker


def extends(tmp_path, monkeypatch, body):
    """Make a custom search space of this body."""
    (tmp_path / "extra_space.py").write_text(f"def extend(cfg, trial):\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "extra_space", raising=False)
    return "hydra.sweeper.custom_search_space=extra_space.extend"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise KeyError('no table')", "KeyError: 'no table'"),
        ("trial.suggest_float('nonsense', 0, 1)", "nonsense"),
    ],
)
def test_a_trial_that_cannot_start_fails_and_the_worker_goes_on(
    toy, study, tmp_path, monkeypatch, body, reason
):
    space = extends(tmp_path, monkeypatch, f"if trial.number == 1: {body}")
    code, _ = toy("-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.max_failure_rate=0.5", space)
    assert code == 0
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", "FAIL"]
    assert reason in study().trials[1].user_attrs["fail_reason"]
    assert study().trials[1].user_attrs["seconds"] == 0


def test_the_traceback_of_a_trial_is_in_its_own_log_once(toy, tmp_path):
    toy("-m", "raises=[0]", "hydra.sweeper.n_trials=1", "hydra.sweeper.max_failure_rate=1")
    log = (tmp_path / "sweep/trials/0000/toy.log").read_text()
    assert log.count("Traceback") == 1
    assert "trial 0 failed" in log


@pytest.fixture
def follow(toy, tmp_path, monkeypatch):
    """Lets a worker follow as rank 1 in trial 7; returns what it complains of."""
    folder = tmp_path / "ranks"

    def run(train, *overrides):
        leader = Group(folder, rank=0, size=2, local_size=1)

        def call(self, _):
            with leader.environment():
                leader.publish(["x=0.25"], 7)
                leader.decide(1, True)
                leader.dismiss()
                self.join(Group(folder, rank=1, size=2, local_size=1))
                self.follow()
            raise KeyboardInterrupt

        monkeypatch.setattr(Worker, "__call__", call)
        toy.module.train = train
        assert toy("-m", "hydra.sweeper.n_trials=1", *overrides)[0] == 130
        complaint = folder / "1.failed"
        return json.loads(complaint.read_text())["reason"] if complaint.exists() else None

    return run


def test_a_rank_follows_with_the_overrides_and_the_decisions_of_rank_0(follow):
    seen = []

    def train(cfg):
        seen.append((cfg.x, hpo.current_trial().number))
        hpo.report_value(9.0, 1)
        seen.append("went on")

    assert follow(train) is None  # TrialPruned is no failure
    assert seen == [(0.25, 7)]


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (RuntimeError("no luck"), "RuntimeError: no luck"),
        (SystemExit(3), "the task called sys.exit(3)"),
        (FloatingPointError("overflow"), "diverged: overflow"),
        (optuna.TrialPruned(), None),
    ],
)
def test_a_rank_that_fails_says_why(follow, error, complaint):
    def train(cfg):
        raise error

    assert follow(train) == (complaint and f"rank 1: {complaint}")


def test_a_rank_follows_in_processes_of_their_own_too(follow, tmp_path):
    def train(cfg):
        raise RuntimeError(f"x is {cfg.x}, process {os.getpid()}")

    complaint = follow(train, "hydra.sweeper.fresh_process=true")
    assert complaint.startswith("rank 1: RuntimeError: x is 0.25, process ")
    assert not complaint.endswith(f" {os.getpid()}")


def test_when_the_time_of_the_study_is_over_the_command_says_so_and_a_larger_one_continues(
    toy, study
):
    toy.module.train = lambda cfg: time.sleep(0.3) or cfg.x
    command = ("-m", "hydra.sweeper.n_trials=2", "hydra/launcher=basic")
    code, printed = toy(*command, "hydra.sweeper.timeout=0.2")
    assert code == 124
    assert "is over (hydra.sweeper.timeout=0.2): 0 of 2 trials are finished" in printed
    assert {trial.state.name for trial in study().trials} == {"WAITING"}
    code, _ = toy(*command, "hydra.sweeper.timeout=60")
    assert code == 0
    assert {trial.state.name for trial in study().trials} == {"COMPLETE"}


def test_a_population_goes_on_from_the_folders_of_parents_without_a_change_of_the_application(
    toy, study, tmp_path
):
    policy = "{_target_: hpo.PopulationPruner, population: 4, interval: 2, max_resource: 6}"
    code, output = toy(
        "-m",
        "epochs=6",
        "hydra.sweeper.n_trials=8",
        "hydra.sweeper.n_workers=2",
        f"hydra.sweeper.pruner={policy}",
        "hydra.sweeper.sampler.seed=1",
    )
    assert code == 0, output
    trials = study().trials
    states = [trial.state.name for trial in trials]
    assert (len(states), states.count("COMPLETE"), set(states)) == (
        8,
        4,
        {"COMPLETE", "PRUNED"},
    )
    children = [trial for trial in trials if "hpo:parent" in trial.system_attrs]
    assert children
    for child in children:
        record = child.system_attrs["hpo:parent"]
        folder = tmp_path / f"sweep/trials/{child.number:04d}"
        assert min(child.intermediate_values) == record["step"] + 1
        epochs = [int(line) for line in (folder / "epochs").read_text().split()]
        assert epochs == list(range(child.last_step))  # the parent's first
        assert child.params["x"] != trials[record["trial"]].params["x"]
        assert f"x={child.params['x']}" in (folder / ".hydra/overrides.yaml").read_text()


def test_the_configuration_of_a_worker_is_what_hydra_composes(tmp_path):
    (tmp_path / "config.yaml").write_text("x: 0\ny: 1\nname: ${hydra:job.num}\n")
    space = Space({}, fixed=("y=2", "+z='a b'"))
    spec = SweepSpec(study_name="s", sweep_dir=tmp_path / "it's", space=space)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [*space.fixed], RunMode.MULTIRUN)
        app = Payload(SimpleNamespace(config_loader=loader), master, print)
        compose = partial(application(spec, app, "preflight").compose, trial_number=0)
        template = make_template(compose, loader, space.fixed, [[*space.fixed, "x=1"]])
        _, jobs, _ = plan(spec, 2)
        ours, theirs = (
            replace(app, function=worker(spec, app, "a", each)).compose(jobs[1], 1)
            for each in (template, None)
        )
        assert template is not None
        assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(theirs)
        assert (ours.z, ours.hydra.job.num) == ("a b", 1)
        made = worker(spec, app, "a", template)
        assert made.composed([*jobs[1], "x=1"]) is None
        assert made.composed(jobs[1][1:]) is None


def test_what_was_rehearsed_is_known_to_the_workers(toy, study, monkeypatch):
    asked = []

    def code_of(function):
        asked.append(function)
        return {"python": f"{len(asked)}"}

    work = Worker._work

    def rehearsed(self, *arguments):
        self.rehearse()
        n_before = len(asked)
        done = work(self, *arguments)
        assert len(asked) == n_before
        return done

    monkeypatch.setattr(module, "code_of", code_of)
    monkeypatch.setattr(Worker, "_work", rehearsed)
    code, _ = toy("-m", "hydra.sweeper.n_trials=2")
    assert (code, len(asked)) == (0, 1)
    codes = [trial.user_attrs["code"][-1]["python"] for trial in study().trials]
    assert codes == ["1", "1"]
