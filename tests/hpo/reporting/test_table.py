import io

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from commons.console import Console
from hpo.attributes import N_TRIALS, PAUSED, WORKER
from hpo.reporting.outlook import Outlook
from hpo.reporting.pulse import Pulse
from hpo.reporting.summary import summarize
from hpo.reporting.table import live_line, live_table, study_table, time_line


def figures(study):
    return summarize(study._storage, study._study_id)[0]


def moment(study):
    return Pulse(study._storage, study._study_id).look()


def text(table, width=120):
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(table)
    return console.export_text()


def begin(study, *values):
    study.enqueue_trial({"x": 0.1})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for step, value in enumerate(values, 1):
        trial.report(value, step)


def test_the_table_names_what_is_best(study):
    begin(study, 0.25)
    shown = text(study_table(figures(study), 3661.0))
    assert "6 of 7 finished: 2 complete, 3 pruned, 1 failed; 1 running, 0 waiting" in shown
    assert "1 (trial 1): x=0.5" in shown
    assert "15 run, 6 saved by pruning (0.0167 worker hours used, about 0.00667 saved)" in shown
    assert "1:01:01" in shown
    assert "workers" not in shown


def test_the_table_of_a_finished_study_has_no_time_and_no_trials(study):
    shown = text(study_table(figures(study)))
    assert not any(row in shown for row in ("time", "trial 0"))


def test_workers_of_ours_are_shown_with_the_share_of_their_time(study):
    study.set_user_attr(WORKER + "a/0", {"start": 0, "end": 10, "busy_s": 9})
    assert "1, busy 90% of their time" in text(study_table(figures(study)))


def test_the_hours_of_workers_of_ours_are_told_once(study):
    study.set_user_attr(WORKER + "a/0", {"start": 0, "end": 3600, "busy_s": 9, "cores": 2.0})
    shown = text(study_table(figures(study)))
    assert "2 core-hours" in shown
    assert "14 run, 6 saved by pruning " in shown
    assert "worker hours" not in shown


def test_paused_and_interrupted_trials_are_told_apart_from_those_that_have_not_begun(study):
    study.set_user_attr(N_TRIALS, 20)
    for _ in range(2):
        begin(study, 3.0, 2.5)
    for number, step in ((6, 2), (7, None)):
        trial_id = study.trials[number]._trial_id
        study._storage.set_trial_system_attr(trial_id, PAUSED, step)
        study._storage.set_trial_state_values(trial_id, TrialState.WAITING)
    told = "6 of 20 finished: 2 complete, 3 pruned, 1 failed; 0 running, 1 paused, 1 interrupted, "
    assert f"{told}12 waiting" in text(study_table(figures(study)))
    assert live_line(moment(study)).startswith(f"{told}12 waiting")
    assert "0 running, 1 paused, 1 interrupted " in text(live_table(moment(study), 1.0, (99, 24)))


def test_trials_that_a_forecast_has_stopped_are_counted(study):
    assert "forecast" not in text(study_table(figures(study)))
    study.add_trial(create_trial(state=TrialState.PRUNED, system_attrs={"qsvr:forecast": {}}))
    shown = text(study_table(figures(study))).splitlines()
    (row,) = (n for n, line in enumerate(shown) if "4 pruned" in line)
    assert "of the pruned trials, 1 by a forecast" in shown[row + 1]


def test_without_a_complete_trial_the_table_says_which_one_leads():
    study = optuna.create_study(study_name="s")
    assert "no trial is complete yet " in text(study_table(figures(study)))
    begin(study, 3.0, 0.25)
    told = "no trial is complete yet; the leader is trial 0 at epoch 2 with 0.25: x=0.1"
    assert told in text(study_table(figures(study)))


def test_times_of_this_command_and_of_all_are_labeled(study):
    assert "0:00:10 this command, 0:01:10 all commands" in text(
        study_table(figures(study), 10.0, before_s=60.0)
    )
    shown = text(study_table(figures(study), 10.0))
    assert "this command" not in shown


def test_jobs_and_the_leader_come_first_and_the_best_running_trial_before_the_others(study):
    study.set_user_attr(N_TRIALS, 50)
    begin(study, 3.0)
    begin(study, 0.5)
    jobs = "array 7: 3 pending (Priority), 5 running"
    shown = text(live_table(moment(study), 3661.0, (80, 24), jobs, "epochs=500"), 80)
    rows = [line.strip("│ \n") for line in shown.splitlines()[2:-1]]
    headings = [row.split("│")[0].strip() for row in rows]
    assert headings == [
        *("jobs", "best", "leader", "trials", "rungs", "time", "workers", "ends at", "trial 6")
    ]
    assert shown.startswith("study s: minimize value ")
    assert "5 running" in rows[0]
    assert "trial 7 runs: epoch 1: 0.5" in rows[2]
    assert "6 of 50 finished: 2 complete, 3 pruned, 1 failed, 2 running" in rows[3]
    assert "epoch 1: 7, best 0.5; epoch 3: 3, best 2" in rows[4]
    assert "1:01:01, about " in rows[5]
    assert "2 at work; 16 epochs run" in rows[6]


def test_before_a_trial_is_complete_the_leader_is_one_that_runs():
    study = optuna.create_study(study_name="s")
    assert "no trial has begun yet" in text(live_table(moment(study), 1.0, (80, 24)))
    begin(study)
    assert "trial 0 runs: starting  (x=0.1)" in text(live_table(moment(study), 1.0, (80, 24)))
    assert live_line(moment(study)).endswith("leader trial 0 runs: starting  (x=0.1)")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 14)])
def test_five_hundred_workers_fit_a_terminal(study, size):
    for number in range(500):
        begin(study, 9.0 - number / 100)
    jobs = "; ".join(f"array {n}: 100 running, 900 pending (Resources)" for n in range(9))
    shown = text(live_table(moment(study), 1.0, size, jobs), size[0])
    lines = shown.rstrip("\n").splitlines()
    assert len(lines) < size[1]
    assert max(map(len, lines)) <= size[0]
    assert "more that run" in lines[-2]
    n_trials = sum("│ trial " in line for line in lines)
    assert int(lines[-2].split("and ")[1].split()[0]) == 500 - 1 - (n_trials - 1)


def test_hostile_names_do_not_reach_the_terminal():
    study = optuna.create_study(study_name="[red]\x1b[2J")
    trial = study.ask()
    trial.suggest_categorical("\x1b[2J", ["[bold]\x1b[1m"])
    shown = text(live_table(moment(study), 1.0, (200, 24)), 200)
    assert "\x1b" not in shown
    assert "[red]" in shown
    assert "[bold]" in shown
    assert "\x1b" not in live_line(moment(study))


@pytest.mark.parametrize(
    ("elapsed_s", "left", "line"),
    [
        (59.6, None, "0:01:00"),
        (90061.0, Outlook(5.0, False), "1 day, 1:01:01, about 0:00:05 left"),
        (1.0, Outlook(5.0, True), "0:00:01, at least 0:00:05 left"),
    ],
)
def test_times_are_rounded_to_seconds(elapsed_s, left, line):
    assert time_line(elapsed_s, left) == line


def test_the_figures_of_the_best_trial_are_beside_its_value(study, add):
    add(study, TrialState.COMPLETE, [0.5], figures={"val_ratio": 0.81234, "val_jets": 0.9})
    lines = text(study_table(figures(study))).splitlines()
    place = next(n for n, line in enumerate(lines) if "0.5 (trial 6)" in line)
    assert lines[place + 1].strip(" │").split() == ["val_ratio", "0.8123,", "val_jets", "0.9"]


def test_figures_of_the_wrong_type_are_not_shown(study, add):
    add(study, TrialState.COMPLETE, [0.5], figures={"val_ratio": "[red]much"})
    assert figures(study).best.figures == {}
    assert "much" not in text(study_table(figures(study)))
