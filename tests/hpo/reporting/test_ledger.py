import csv

import optuna
import pytest
from optuna.trial import TrialState

from hpo.attributes import COST, LOSSES, WORKER
from hpo.reporting.ledger import OUTCOMES, ledger_lines, read_ledger, write_ledger

HOUR = 3600.0


def worker(start, hours, cores=2, **more):
    figures = {
        "start": start,
        "end": start + hours * HOUR,
        "busy_s": 0.0,
        "start_up_s": 0.5 * HOUR,
    }
    return {**figures, "cores": cores, "gpus": 1, "n_reports": 4, **more}


def used(hours, **more):
    return {"core_s": 2 * hours * HOUR, "gpu_s": hours * HOUR, "cpu_s": hours * HOUR, **more}


@pytest.fixture
def study(add):
    """Two workers of two cores, 10 h each with half an hour of start; trials of known cost."""
    study = optuna.create_study(study_name="s")
    add(study, TrialState.COMPLETE, [4, 3, 2, 1], seconds=4 * HOUR, **{COST: used(4)})
    add(study, TrialState.PRUNED, [9], seconds=HOUR, **{COST: used(1)})
    repeated = {COST: used(3, repeated=1, repeated_s=HOUR)}
    add(study, TrialState.PRUNED, [9, 8], seconds=3 * HOUR, **repeated)
    add(study, TrialState.FAIL, [], seconds=HOUR, **{COST: used(1)})
    losses = [{"worker": "w/1", "until": 0.0, "held_s": 2 * HOUR, "lost_s": 1.5 * HOUR}]
    add(study, TrialState.WAITING, [9], seconds=0, **{LOSSES: losses})
    study.set_user_attr(WORKER + "w/0", worker(0.0, 9.5, queued_s=HOUR, cpu_s=9 * HOUR))
    study.set_user_attr(WORKER + "w/1", worker(100.0, 9.5))
    return study


def read(study):
    return read_ledger(study._storage, study._study_id)


def test_the_cost_is_divided_by_outcome_and_together_it_is_that_of_the_workers(study):
    ledger = read(study)
    assert list(ledger.outcomes) == list(OUTCOMES)
    assert {name: pytest.approx(cost.core_h) for name, cost in ledger.outcomes.items()} == {
        "complete": 8.0,
        "pruned": 2.0 + 4.0,
        "failed": 2.0,
        "unfinished": 1.0,
        "lost": 2.0 + 3.0,
        "start-up": 2.0,
        "between trials": 40.0 - 24.0,
    }
    assert ledger.total.cost.core_h == pytest.approx(2 * 10 * 2)
    assert ledger.total.cost.gpu_h == pytest.approx(2 * 10)
    assert ledger.total.cost.epochs == 4 + 1 + 2 + 1 + 1  # one of them twice
    assert ledger.total.lost.core_h == pytest.approx(5.0)
    assert ledger.total.queued_h == pytest.approx(1.0)
    assert ledger.total.hours == pytest.approx(20.0)


def test_a_trial_has_what_it_used_and_what_was_lost(study):
    rows = {row.name: row for row in read(study).trials}
    assert [row.outcome for row in rows.values()] == [
        "complete", "pruned", "pruned", "failed", "unfinished",
    ]  # fmt: skip
    assert (rows["2"].cost.core_h, rows["2"].lost.core_h) == pytest.approx((4.0, 2.0))
    assert (rows["2"].cost.epochs, rows["2"].lost.epochs) == (2, 1)
    assert (rows["4"].cost.core_h, rows["4"].lost.core_h) == pytest.approx((1.0, 3.0))


def test_pruning_has_saved_the_missing_epochs_at_the_mean_cost_of_one(study):
    saved = read(study).saved
    assert saved.epochs == 3 + 2
    assert saved.core_h == pytest.approx((8 + 6 + 2 + 1) / 8 * 5)


def test_a_study_of_others_is_counted_by_its_trials(add):
    study = optuna.create_study()
    add(study, TrialState.COMPLETE, [1.0], seconds=HOUR)
    study.enqueue_trial({})
    ledger = read(study)
    assert ledger.workers == []
    assert [row.name for row in ledger.trials] == ["0"]
    assert ledger.total.cost.core_h == 1.0
    assert ledger.total.queued_h is None


def test_an_empty_study_has_cost_nothing():
    ledger = read(optuna.create_study())
    assert (ledger.trials, ledger.total.cost.core_h) == ([], 0.0)
    assert ledger_lines(ledger) == [("cost", "0 core-hours")]


def test_the_csv_has_all_lines_and_leaves_empty_what_is_not_known(study, tmp_path):
    write_ledger(read(study), tmp_path / "ledger.csv")
    with (tmp_path / "ledger.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    kinds = [line["kind"] for line in lines]
    assert [kinds.count(kind) for kind in ("trial", "worker", "outcome", "total")] == [5, 2, 7, 1]
    by_name = {(line["kind"], line["name"]): line for line in lines}
    assert by_name["trial", "0"]["core_h"] == "8"
    assert by_name["worker", "w/0"]["queued_h"] == "1"
    assert by_name["worker", "w/1"]["queued_h"] == ""
    assert by_name["total", "total"]["gpu_kwh"] == ""
    total = float(by_name["total", "total"]["core_h"])
    assert sum(float(line["core_h"]) for line in lines if line["kind"] == "outcome") == total


def test_a_few_words_say_what_it_cost_and_what_was_saved(study):
    shares = "complete 20%, pruned 15%, failed 5%, unfinished 2%, lost or trained twice 12%"
    shares += ", start-up 5%, between trials 40%"
    assert ledger_lines(read(study)) == [
        ("cost", "40 core-hours, 20 GPU-hours; jobs waited 1 h in the queue"),
        ("", shares),
        ("saved", "about 10.6 core-hours, 5.31 GPU-hours, by pruning"),
    ]  # fmt: skip
