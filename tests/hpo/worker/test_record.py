import os
from types import SimpleNamespace

import optuna
import pytest

from hpo.worker.record import WorkerRecord


@pytest.fixture
def study():
    return optuna.create_study()


def record_of(study, name):
    return WorkerRecord(study._storage, study._study_id, name)


def spent(seconds, reporting_s, n_reports):
    return SimpleNamespace(seconds=seconds, reporting_s=reporting_s, n_reports=n_reports)


def test_a_worker_leaves_its_figures_in_the_study(study):
    record = record_of(study, "launch/0")
    record.add(spent(2.0, 0.5, 3))
    record.add(spent(1.0, 0.25, 2))
    record.end_of_trial()
    record.write()
    figures = study.user_attrs["hpo:worker:launch/0"]
    assert figures["pid"] == os.getpid()
    assert (figures["busy_s"], figures["reporting_s"]) == (3.0, 0.75)
    assert (figures["n_trials"], figures["n_reports"]) == (2, 5)
    assert figures["start"] <= figures["worked_until"] <= figures["end"]
    assert figures["start_up_s"] > 0
    assert figures["cpu_s"] >= 0


def test_a_worker_is_in_the_study_before_its_first_trial(study):
    record_of(study, "launch/0")
    assert study.user_attrs["hpo:worker:launch/0"]["n_trials"] == 0


def test_the_end_of_a_trial_is_written_at_most_every_half_minute(study):
    record = record_of(study, "launch/0")
    record.add(spent(1.0, 0.0, 1))
    record.end_of_trial()
    assert study.user_attrs["hpo:worker:launch/0"]["n_trials"] == 0
    record._written -= 31
    record.end_of_trial()
    assert study.user_attrs["hpo:worker:launch/0"]["n_trials"] == 1


@pytest.mark.parametrize(("restarts", "name"), [("0", "launch/0"), ("2", "launch/0.2")])
def test_a_requeued_worker_leaves_a_record_per_start(study, monkeypatch, restarts, name):
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    assert record_of(study, "launch/0").name == name
    assert f"hpo:worker:{name}" in study.user_attrs


def test_the_next_process_of_a_worker_goes_on_with_its_figures(study):
    first = record_of(study, "launch/0")
    first.add(spent(2.0, 0.5, 3))
    first._values |= {"start": 1.0, "cpu_s": 7.0}
    study._storage.set_study_user_attr(study._study_id, "hpo:worker:launch/0", first._values)
    second = record_of(study, "launch/0")
    second.add(spent(1.0, 0.25, 2))
    second.write()
    figures = study.user_attrs["hpo:worker:launch/0"]
    assert (figures["n_trials"], figures["busy_s"], figures["start"]) == (2, 3.0, 1.0)
    assert 7.0 <= figures["cpu_s"] < 17.0
