import os
import time
from types import SimpleNamespace

import optuna
import pytest

from hpo.study.record import WorkerRecord


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


def test_a_worker_says_what_it_occupies_and_uses(study, monkeypatch):
    monkeypatch.setenv("HPO_CORES", "0.5")
    monkeypatch.setenv("HPO_GPUS", "0.25")
    record_of(study, "launch/0")
    figures = study.user_attrs["hpo:worker:launch/0"]
    assert (figures["cores"], figures["gpus"]) == (0.5, 0.25)
    assert "queued_s" not in figures


def test_the_time_in_the_queue_is_that_until_the_process_began(study, monkeypatch):
    monkeypatch.setenv("HPO_SUBMITTED", f"{time.time() - 5000}")
    monkeypatch.setattr("hpo.study.record._process_age_s", lambda: 1000.0)
    record_of(study, "launch/0")
    assert study.user_attrs["hpo:worker:launch/0"]["queued_s"] == pytest.approx(4000, abs=5)


def test_a_requeued_worker_waited_since_the_end_of_its_last_start(study, monkeypatch):
    monkeypatch.setattr("hpo.study.record._process_age_s", lambda: 0.0)
    earlier = {"start": 0.0, "end": time.time() - 300, "busy_s": 0.0}
    study.set_user_attr("hpo:worker:launch/0.1", earlier)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    record_of(study, "launch/0")
    assert study.user_attrs["hpo:worker:launch/0.2"]["queued_s"] == pytest.approx(300, abs=5)
