import math
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import N_TRIALS, PARENT, WORKER
from hpo.reporting.summary import n_epochs, summarize


def figures(study):
    return summarize(study._storage, study._study_id)


def test_trials_are_counted_by_state_and_epochs_by_what_was_run_and_saved(study):
    summary, trials = figures(study)
    assert len(trials) == 6
    assert summary.n_trials == {
        "complete": 2, "pruned": 3, "fail": 1, "running": 0, "waiting": 0, "total": 6,
    }  # fmt: skip
    assert summary.n_finished == 6
    assert (summary.epochs.run, summary.epochs.saved) == (4 + 4 + 1 + 3 + 2, 3 + 1 + 2)
    assert summary.best.number == 1
    assert summary.best.value == 1.0
    assert summary.worker_hours["used"] == pytest.approx(60 / 3600)
    assert summary.worker_hours["saved"] == pytest.approx(6 * 60 / 14 / 3600)


def test_maximizing_takes_the_largest_value_as_best(add):
    study = optuna.create_study(direction="maximize")
    add(study, TrialState.COMPLETE, [1.0])
    add(study, TrialState.COMPLETE, [2.0])
    assert figures(study)[0].best.number == 1


def test_tickets_beyond_the_budget_do_not_count(study):
    for _ in range(4):
        study.enqueue_trial({})
    study.set_user_attr(N_TRIALS, 8)
    assert figures(study)[0].n_trials["waiting"] == 2
    assert figures(study)[0].n_trials["total"] == 8


def test_trials_whose_tickets_are_still_to_be_created_wait(study):
    study.set_user_attr(N_TRIALS, 50)
    assert figures(study)[0].n_trials["waiting"] == 44
    assert figures(study)[0].n_trials["total"] == 50


def test_wall_time_is_that_with_at_least_one_worker(study):
    for name, start, end, busy in (("a/0", 0, 10, 5), ("a/1", 5, 15, 10), ("b/0", 100, 110, 9)):
        study.set_user_attr(WORKER + name, {"start": start, "end": end, "busy_s": busy})
    summary = figures(study)[0]
    assert summary.wall_s == 25
    assert summary.worker_busy_fraction == pytest.approx(24 / 30)
    assert summary.n_workers == 3


@pytest.mark.parametrize(("direction", "leader"), [("minimize", 1), ("maximize", 0)])
def test_before_a_trial_is_complete_the_best_of_the_unfinished_ones_leads(direction, leader):
    study = optuna.create_study(direction=direction)
    assert figures(study)[0].leader is None
    for curve in ([9.0], [5.0, 3.0], [math.nan], []):
        trial = study.ask()
        for step, value in enumerate(curve, 1):
            trial.report(value, step)
    study.tell(study.ask(), state=TrialState.PRUNED)
    found = figures(study)[0].leader
    assert (found.number, found.step, found.value) == [(0, 1, 9.0), (1, 2, 3.0)][leader]
    study.tell(study.ask(), 4.0)
    assert figures(study)[0].leader is None


def test_a_study_of_others_is_timed_by_its_trials(study):
    begin = datetime(2026, 1, 1)
    for trial in study._storage.get_all_trials(study._study_id, deepcopy=False):
        trial.datetime_start = begin
        trial.datetime_complete = begin + timedelta(seconds=7)
    summary = figures(study)[0]
    assert summary.wall_s == 7
    assert summary.worker_busy_fraction is None


def test_an_empty_study_has_a_summary():
    summary, trials = figures(optuna.create_study())
    assert (summary.best, summary.epochs.saved, summary.n_workers, trials) == (None, 0, 0, [])


def test_trials_that_an_old_version_skipped_are_pruned_ones_without_an_epoch(study, add):
    before = figures(study)[0]
    add(study, TrialState.PRUNED, [], skipped={"predicted": 1.0, "spread": 0.1, "best": 0.0})
    after = figures(study)[0]
    assert after.n_trials["pruned"] == before.n_trials["pruned"] + 1
    assert after.epochs.run == before.epochs.run


def test_a_child_counts_only_the_epochs_that_it_has_run_itself(lineage):
    summary, trials = figures(lineage)
    assert [n_epochs(trial) for trial in trials] == [8, 2, 2, 5, 0]
    assert summary.epochs.run == sum(len(trial.intermediate_values) for trial in trials) == 17


def test_what_children_run_in_the_place_of_a_pruned_trial_is_not_saved(lineage, add):
    assert figures(lineage)[0].epochs.saved == 0  # 8 - 2 of the pruned one, 2 + 5 of children
    add(lineage, TrialState.PRUNED, [9.0] * 3)
    assert figures(lineage)[0].epochs.saved == 4  # 5 more


def test_a_child_without_a_report_has_run_what_it_diverged_after(add):
    study = optuna.create_study()
    add(study, TrialState.FAIL, [], parent=(0, 4))
    add(study, TrialState.PRUNED, [], parent=(0, 4), diverged=5)
    add(study, TrialState.PRUNED, [], parent=(0, 4), diverged="end")
    assert [n_epochs(trial) for trial in study.trials] == [0, 1, 0]


def test_reports_every_few_epochs_count_the_epochs_between_them_too():
    """The step says how far a trial is, and the record of the parent where it began."""
    trial = create_trial(value=1.0, intermediate_values={10: 2.0, 15: 1.0})
    child = create_trial(
        value=1.0,
        intermediate_values={10: 2.0, 15: 1.0},
        system_attrs={PARENT: {"trial": 0, "step": 5}},
    )
    assert (n_epochs(trial), n_epochs(child)) == (15, 10)
