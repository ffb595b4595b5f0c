import os

import hydra
import pytest
from optuna import TrialPruned

from benchmarks.reproduce.scaling.app import app
from benchmarks.reproduce.scaling.app.app import train
from benchmarks.reproduce.scaling.measured import measure, sweep_arguments
from benchmarks.reproduce.scaling.problem import Study
from commons.cli import Failure
from hpo.current import Checkpoint, set_current_trial

STUDY = Study(8, 9, 0.02, 0.5)


class Trial:
    """A trial that is paused after an epoch."""

    number = 3

    def __init__(self, folder, pause):
        self.checkpoint, self.pause = Checkpoint(folder), pause
        self.reports, self.attributes = {}, {}

    def should_stop(self, value, step, **_):
        self.reports[step] = value
        return step == self.pause

    def set_user_attr(self, key, value):
        self.attributes[key] = value


def test_a_paused_trial_loads_its_model_and_goes_on(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(app.time, "sleep", pauses.append)
    with hydra.initialize_config_dir(str(app.Path(app.__file__).parent), version_base="1.3"):
        cfg = hydra.compose("app", ["epoch_s=2", "load_s=7"])
    first, second = Trial(tmp_path, 3), Trial(tmp_path, None)
    try:
        set_current_trial(first)
        with pytest.raises(TrialPruned):
            train(cfg)
        set_current_trial(second)
        loss = train(cfg)
    finally:
        set_current_trial(None)
    assert [*first.reports] == [1, 2, 3]
    assert [*second.reports] == [4, 5, 6, 7, 8, 9]
    assert loss == second.reports[9] == pytest.approx(1 + 2 * 0.1**2 + 3 / 3)
    assert (first.attributes, second.attributes) == ({}, {"n_loaded": 1})
    assert pauses[3] == 7
    assert len({*pauses} - {7}) == 1  # all epochs of a trial are as long
    assert 1.8 <= pauses[0] <= 2.2


def test_only_promotion_is_told_the_length_of_a_training():
    asha, promotion = (sweep_arguments(p, 3, STUDY, 1) for p in ("asha", "promotion"))
    assert "+hydra.sweeper.pruner.max_resource=9" in promotion
    assert not [each for each in asha if "max_resource" in each]
    assert {"hydra.sweeper.n_workers=12", "hydra.sweeper.n_trials=8"} <= {*asha}


def test_a_sweep_that_fails_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "benchmarks.reproduce.scaling.measured.sweep_arguments", lambda *_: ["nonsense=1"]
    )
    monkeypatch.setattr("benchmarks.reproduce.scaling.measured.SlurmCluster", NoCluster)
    with pytest.raises(Failure, match="the sweep failed: "):
        measure("asha", 1, STUDY, 1, tmp_path)


class NoCluster:
    """In place of a cluster, for a command that does not get there."""

    def __init__(self, *_, **__):
        self.environment = dict(os.environ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.slurm
def test_two_nodes_take_the_same_trials(tmp_path, slurm):  # skips where there is no SLURM
    del slurm
    found = measure("promotion", 2, STUDY, 1, tmp_path / "sweep")
    assert found.nodes == 2
    assert found.n_epochs >= STUDY.n_trials
    assert found.wall_s > 0
    assert 0 < found.busy <= 1
