import csv
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from hpo.attributes import LEASE, WORKER
from hpo.reporting.rows import columns_of, rows_of, write_csv


def read(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_every_trial_has_a_row_with_what_is_known_of_it(study, subject, tmp_path, add):
    run = {"overrides": ["x=0.5"], "worker": "a/0", "sampler_seed": 1}
    study.set_user_attr(WORKER + "a/0", {"start": 0, "end": 9, "busy_s": 1, "host": "node7"})
    add(study, TrialState.FAIL, [3.0], run=run, fail_reason="out\nof memory", figures={"met": 2.0})
    rows = read(write_csv(subject(study), tmp_path, tmp_path / "trials.csv"))
    assert [row["number"] for row in rows] == [*"0123456"]
    assert [row["state"] for row in rows] == ["complete"] * 2 + ["pruned"] * 3 + ["fail"] * 2
    assert [row["value"] for row in rows] == ["1.5", "1.0", "9.0", "7.0", "900.0", "", "3.0"]
    assert [row["epochs"] for row in rows] == [*"4413201"]
    reasons = ["", "", "pruned at step 1", "pruned at step 3", "diverged"]
    assert [row["reason"] for row in rows[:5]] == reasons
    last = rows[-1]
    assert last["reason"] == "failed: out of memory"
    assert (last["worker"], last["host"], last["figures.met"]) == ("a/0", "node7", "2.0")
    assert (last["params.x"], last["seconds"]) == ("0.5", "10.0")
    assert last["folder"] == str(tmp_path / "trials/0006")
    assert last["started"]


def test_several_objectives_have_a_column_each(subject, monkeypatch, tmp_path):
    study = optuna.create_study()
    read_one = subject(study)
    two = replace(read_one, metrics=("loss", "time"), directions=("minimize", "minimize"))
    assert columns_of(two)[:6] == ["number", "state", "loss", "time", "front", "epochs"]


@pytest.mark.parametrize("text", ['a,"b"', "line\nbreak", "\x1b[2J", "=1+1"])
def test_hostile_names_and_values_stay_in_their_cell(subject, tmp_path, text):
    study = optuna.create_study()
    study.ask().suggest_categorical(text, [text])
    (row,) = read(write_csv(subject(study), None, tmp_path / "t.csv"))
    assert len(row) == len(columns_of(subject(study)))
    (cell,) = [value for name, value in row.items() if name.startswith("params.")]
    assert "\x1b" not in cell
    assert "\n" not in cell


def test_the_host_of_a_trial_is_that_of_its_lease_where_no_worker_is_recorded(subject):
    study = optuna.create_study()
    trial = study.ask()
    lease = {"id": "x", "host": "node3 pid:[1] boot", "pid": 4}
    study._storage.set_trial_system_attr(trial._trial_id, LEASE, lease)
    (row,) = rows_of(subject(study), None)
    assert row["host"] == "node3"


def test_a_child_of_population_based_training_has_its_own_epochs(lineage, subject):
    rows = rows_of(subject(lineage), None)
    assert [row["epochs"] for row in rows] == [8, 2, 2, 5, 0]
