import io

import optuna
import pytest
from optuna.trial import TrialState

from commons.console import Console
from hpo.attributes import WORKER
from hpo.reporting.summary import summarize
from hpo.reporting.table import study_table, summary_line, time_line


def figures(study):
    return summarize(study._storage, study._study_id)


def text(table):
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_table_names_what_runs_and_what_is_best(study):
    study.enqueue_trial({"x": 0.1})
    study.ask().report(0.25, 3)
    shown = text(study_table(*figures(study), 3661.0, 60.0))
    assert "6 of 7 finished: 2 complete, 3 pruned, 1 failed; 1 running, 0 waiting" in shown
    assert "1 (trial 1): x=0.5" in shown
    assert "17 run, 6 saved by pruning (0.0167 worker hours used, about 0.00588 saved)" in shown
    assert "epoch 3: 0.25" in shown
    assert "1:01:01, about 0:01:00 left" in shown
    assert "workers" not in shown


def test_a_trial_without_a_report_is_starting(study):
    study.ask()
    assert "starting" in text(study_table(*figures(study)))


def test_the_table_of_a_finished_study_has_no_time_and_no_trials(study):
    shown = text(study_table(figures(study)[0]))
    assert not any(row in shown for row in ("time", "trial 0"))


def test_workers_of_ours_are_shown_with_the_share_of_their_time(study):
    study.set_user_attr(WORKER + "a/0", {"start": 0, "end": 10, "busy_s": 9})
    assert "1, busy 90% of their time" in text(study_table(figures(study)[0]))


def test_the_line_of_an_empty_study_says_that_nothing_is_complete():
    line = summary_line(figures(optuna.create_study())[0])
    assert line.startswith("0 of 0 finished")
    assert line.endswith("best no trial is complete yet")


@pytest.mark.parametrize(
    ("elapsed_s", "left_s", "line"),
    [(59.6, None, "0:01:00"), (90061.0, 5.0, "1 day, 1:01:01, about 0:00:05 left")],
)
def test_times_are_rounded_to_seconds(elapsed_s, left_s, line):
    assert time_line(elapsed_s, left_s) == line


def test_the_figures_of_the_best_trial_are_beside_its_value(study, add):
    add(study, TrialState.COMPLETE, [0.5], figures={"val_ratio": 0.81234, "val_jets": 0.9})
    lines = text(study_table(figures(study)[0])).splitlines()
    place = next(n for n, line in enumerate(lines) if "0.5 (trial 6)" in line)
    assert lines[place + 1].strip(" │").split() == ["val_ratio", "0.8123,", "val_jets", "0.9"]


def test_figures_of_the_wrong_type_are_not_shown(study, add):
    add(study, TrialState.COMPLETE, [0.5], figures={"val_ratio": "[red]much"})
    assert figures(study)[0].best.figures == {}
    assert "much" not in text(study_table(figures(study)[0]))
