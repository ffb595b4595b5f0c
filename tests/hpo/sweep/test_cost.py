import io
import logging
import sys
from types import SimpleNamespace

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from hpo.attributes import WORKER
from hpo.launch.slurm.options import SlurmOptions
from hpo.search.space import Space
from hpo.study.study import SweepSpec
from hpo.sweep.cost import expected, expected_of_existing, log_to_stderr, most_and_budgets


@pytest.fixture
def app():
    sweeper = {"budget": "${hpo.budget}"}
    return SimpleNamespace(config=OmegaConf.create({"hydra": {"sweeper": sweeper}, "hpo": {}}))


@pytest.fixture
def spec(tmp_path):
    def make(**settings):
        return SweepSpec(study_name="s", sweep_dir=tmp_path, space=Space({}), **settings)

    return make


def test_the_line_before_a_sweep_says_what_runs_and_what_ends_it(spec, app):
    assert most_and_budgets(spec(n_trials=30), app, None, 8) == (
        "cost: 8 workers, until 30 trials are finished"
    )
    limited = spec(n_trials=4, timeout=3600, budget={"core_hours": 50, "target": 0.5})
    assert most_and_budgets(limited, app, None, 8) == (
        "cost: 4 workers, until 4 trials are finished; ends at hpo.budget.core_hours=50 or "
        "hpo.budget.target=0.5 or hydra.sweeper.timeout=3600, if that is earlier"
    )


def test_on_slurm_it_says_what_the_jobs_cost_at_most(spec, app):
    options = SlurmOptions(gpus_per_trial=0, cpus_per_task=4, requeue=False)
    slurm = SimpleNamespace(options=options)
    assert most_and_budgets(spec(n_trials=3), app, slurm, 8) == (
        "cost: at most 3 jobs x 60 min: 12 core-hours"
    )


def test_what_is_left_is_expected_to_cost_as_much_as_what_is_finished(spec, tmp_path):
    study = optuna.create_study(study_name="s")
    place = study._storage, study._study_id
    unknown = "expected cost: not known, no trial is finished yet"
    assert expected(spec(n_trials=10), *place) == unknown
    for value in (1.0, 2.0):
        study.tell(study.ask(), value)
    study.tell(study.ask(), state=TrialState.FAIL)
    figures = {"start": 0.0, "end": 3600.0, "busy_s": 0.0, "cores": 3, "gpus": 1}
    study.set_user_attr(WORKER + "a", figures)
    assert expected(spec(n_trials=10), *place) == (
        "expected cost: 7 core-hours, 2.33 GPU-hours, for 7 trials at the mean cost of the 3 "
        "finished ones"
    )


def test_a_dry_run_reads_a_study_in_a_file_alone_and_creates_none(spec, tmp_path):
    assert expected_of_existing(spec()) == "expected cost: not known, the study is new"
    assert list(tmp_path.iterdir()) == []
    away = spec(storage="postgresql://nowhere.invalid/db")
    assert expected_of_existing(away) == "expected cost: told when the sweep begins"


def test_what_is_logged_while_a_script_is_printed_goes_to_stderr(monkeypatch):
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    own, other = logging.StreamHandler(stream), logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(root, "handlers", [own, other])
    before = other.stream
    log_to_stderr()
    assert own.stream is sys.stderr
    assert other.stream is before
