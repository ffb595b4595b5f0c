from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.reporting.work import busy, draw_cost, draw_timeline, unit_of

BEGIN = datetime(2026, 1, 1, 12)


def worked(n_workers, n_each=2):
    study = optuna.create_study(study_name="s")
    for number in range(n_workers * n_each):
        trial = create_trial(
            state=TrialState.COMPLETE if number else TrialState.PRUNED,
            value=1.0,
            user_attrs={
                "run": {"overrides": [], "worker": f"w/{number % n_workers}"},
                "seconds": 60.0,
            },
        )
        trial.datetime_start = BEGIN + timedelta(minutes=number // n_workers)
        trial.datetime_complete = trial.datetime_start + timedelta(minutes=1)
        study.add_trial(trial)
    return study


def test_each_worker_has_a_row_with_its_trials(subject, tmp_path, axes):
    draw_timeline(subject(worked(3)), tmp_path / "t.png")
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["w/0", "w/1", "w/2"]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes[0].patches]
    assert sorted(bars) == [(0.0, 60.0)] * 3 + [(60.0, 60.0)] * 3
    labels = {text.get_text() for text in axes[0].get_legend().get_texts()}
    assert labels == {"5 complete", "1 pruned"}


def test_of_many_workers_the_number_at_work_is_drawn(subject, tmp_path, axes):
    draw_timeline(subject(worked(500)), tmp_path / "t.png")
    assert not axes[0].patches
    assert axes[0].get_ylabel() == "workers at work"
    assert axes[0].get_ylim()[1] > 500


def test_the_number_of_spans_is_counted_at_each_change():
    moments, n_busy = busy([(0.0, 2.0), (1.0, 3.0)])
    assert moments.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert n_busy.tolist() == [1, 2, 1, 0]


def test_the_time_of_workers_is_shown_by_outcome_with_what_was_saved(
    study, subject, tmp_path, axes
):
    draw_cost(subject(study), tmp_path / "c.png")
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == ["saved by pruning (about)", "failed", "pruned", "complete"]
    widths = [bar.get_width() for bar in axes[0].patches]
    assert widths[1:] == [10.0, 30.0, 20.0]
    assert axes[0].texts[-1].get_text().strip() == "20 s"


@pytest.mark.parametrize("draw", [draw_cost, draw_timeline])
def test_a_study_without_trials_has_its_pictures(draw, subject, tmp_path):
    assert draw(subject(optuna.create_study()), tmp_path / "e.png").stat().st_size > 1000


def test_times_have_a_unit_that_keeps_numbers_small():
    assert [unit_of(s)[0] for s in (1, 179, 180, 10_800, 300_000)] == [
        "s",
        "s",
        "min",
        "h",
        "days",
    ]
