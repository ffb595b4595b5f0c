import io
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from hpo.attributes import N_TRIALS, WORKER
from hpo.reporting.live import table
from hpo.reporting.plots import draw_history, draw_importances, draw_learning_curves
from hpo.reporting.summary import summarise

PNG = b"\x89PNG"


def add(study, state, values, seconds=10.0, **attributes):
    """A trial with one reported value per epoch; it is worth the last of them."""
    worth = state in (TrialState.COMPLETE, TrialState.PRUNED) and values
    study.add_trial(
        create_trial(
            state=state,
            value=values[-1] if worth else None,
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=dict(enumerate(values, 1)),
            user_attrs={"seconds": seconds, **attributes},
        )
    )


@pytest.fixture
def study():
    """Two full trials of 4 epochs, three pruned after 1, 3 and (diverged) 2, a failed one."""
    study = optuna.create_study(study_name="s")
    add(study, TrialState.COMPLETE, [4, 3, 2, 1.5])
    add(study, TrialState.COMPLETE, [4, 3, 2, 1.0])
    add(study, TrialState.PRUNED, [9.0])
    add(study, TrialState.PRUNED, [9.0, 8.0, 7.0])
    add(study, TrialState.PRUNED, [900.0], diverged=2)
    add(study, TrialState.FAIL, [])
    return study


def figures(study):
    return summarise(study._storage, study._study_id)


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


def test_maximising_takes_the_largest_value_as_best():
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


def test_wall_time_is_that_with_at_least_one_worker(study):
    for name, start, end, busy in (("a/0", 0, 10, 5), ("a/1", 5, 15, 10), ("b/0", 100, 110, 9)):
        study.set_user_attr(WORKER + name, {"start": start, "end": end, "busy_s": busy})
    summary = figures(study)[0]
    assert summary.wall_s == 25
    assert summary.worker_busy_fraction == pytest.approx(24 / 30)
    assert summary.n_workers == 3


def test_a_study_of_others_is_timed_by_its_trials(study):
    begin = datetime(2026, 1, 1)
    for trial in study._storage.get_all_trials(study._study_id, deepcopy=False):
        trial.datetime_start = begin
        trial.datetime_complete = begin + timedelta(seconds=7)
    summary = figures(study)[0]
    assert summary.wall_s == 7
    assert summary.worker_busy_fraction is None


def test_an_empty_study_has_a_summary_and_pictures(tmp_path):
    study = optuna.create_study()
    summary, trials = figures(study)
    assert summary.best is None
    assert summary.epochs.saved == 0
    draw_history(trials, "minimize", tmp_path / "h.png")
    draw_learning_curves(trials, None, tmp_path / "l.png")
    draw_importances(study, tmp_path / "i.png")
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 3


def test_pictures_of_a_study_are_drawn(study, tmp_path):
    study.enqueue_trial({"x": 0.1})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.tell(trial, 3.0)
    draw_history(study.trials, "maximize", tmp_path / "h.png")
    draw_learning_curves(study.trials, 1, tmp_path / "l.png")
    draw_importances(study, tmp_path / "i.png")
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())


def test_the_table_names_what_runs_and_what_is_best(study):
    study.enqueue_trial({"x": 0.1})
    study.ask().report(0.25, 3)
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(table(*figures(study), 3661.0, 60.0))
    text = console.export_text()
    assert "6 of 7 finished: 2 complete, 3 pruned, 1 failed; 1 running, 0 waiting" in text
    assert "1 (trial 1): x=0.5" in text
    assert "epoch 3: 0.25" in text
    assert "1:01:01, about 0:01:00 left" in text
