import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

import hpo
from hpo.current import Checkpoint, FollowedTrial, note_data, set_current_trial
from hpo.study.lease import Lease
from hpo.study.trial import LeasedTrial


class StopsFrom(optuna.pruners.BasePruner):
    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.last_step >= self.step


def leased(study, trial_id):
    return LeasedTrial(study, trial_id, Lease(study._storage, trial_id, 60))


@pytest.fixture
def active():
    study = optuna.create_study(pruner=StopsFrom(3))
    asked = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial = leased(study, asked._trial_id)
    set_current_trial(trial)
    yield trial
    set_current_trial(None)


def test_outside_a_sweep_reports_go_nowhere():
    assert hpo.current_trial() is None
    hpo.report_value(1.0, step=1)


def test_the_pruner_ends_the_trial_at_a_report(active):
    assert hpo.current_trial() is active
    hpo.report_value(1.0, step=1)
    hpo.report_value(1.0, step=2)
    with pytest.raises(optuna.TrialPruned, match="trial 0 stopped after step 3"):
        hpo.report_value(1.0, step=3)
    assert active.life.pruned
    assert set(active.params) == {"x"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_ends_the_trial_as_diverged(active, value):
    with pytest.raises(optuna.TrialPruned):
        hpo.report_value(value, step=2)
    assert active.life.pruned
    assert active.life.diverged == 2


def test_a_step_reported_before_an_interruption_is_neither_stored_nor_judged_again(active):
    for step in (1, 2):
        hpo.report_value(1.0, step=step)
    resumed = leased(active.study, active._trial_id)
    assert not resumed.should_stop(9.0, 1)
    assert not resumed.should_stop(9.0, 2)
    assert resumed.should_stop(0.5, 3)
    stored = active.storage.get_trial(active._trial_id).intermediate_values
    assert stored == {1: 1.0, 2: 1.0, 3: 0.5}


def test_the_pruner_is_not_asked_at_the_last_step(active):
    active.should_stop(1.0, 1)
    active.should_stop(1.0, 2)
    assert not active.should_stop(1.0, 3, final=True)
    assert not active.life.pruned


def test_a_rank_that_follows_stops_when_rank_0_decides():
    class Decided:
        def decision(self, step):
            return step == 2

    set_current_trial(FollowedTrial(7, Decided(), Checkpoint(Path("nowhere"), 3)))
    try:
        hpo.report_value(1.0, step=1)
        hpo.current_trial().set_user_attr("any", 1)
        with pytest.raises(optuna.TrialPruned, match="trial 7 stopped after step 2"):
            hpo.report_value(1.0, step=2)
    finally:
        set_current_trial(None)


def test_importing_the_package_is_light():
    heavy = ["torch", "optuna", "numpy", "hydra", "omegaconf", "matplotlib"]
    code = f"import sys, hpo; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_data_are_noted_with_the_trial_and_outside_of_one_nothing_happens(monkeypatch):
    noted = []
    note_data("x")
    monkeypatch.setattr("hpo.current._current", SimpleNamespace(note=noted.append))
    note_data("y")
    assert noted == [{"data": "y"}]


def test_a_checkpoint_is_resumed_from_once_something_is_written(tmp_path):
    checkpoint = Checkpoint(tmp_path / "trials/0007/checkpoint")
    assert checkpoint.resume_from is None
    assert not checkpoint.place.exists()
    (checkpoint.folder / "state").write_text("1")
    assert checkpoint.resume_from == checkpoint.folder == checkpoint.place


def test_a_rank_that_follows_knows_the_checkpoint_and_makes_no_folder(tmp_path):
    trial = FollowedTrial(7, None, Checkpoint(tmp_path / "a", 3))
    assert (trial.checkpoint.parent, trial.checkpoint.resume_from) == (3, None)
    assert not list(tmp_path.iterdir())
