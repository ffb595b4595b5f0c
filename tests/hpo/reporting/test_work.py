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
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["0", "1", "2"]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes[0].patches]
    assert sorted(bars) == [(0.0, 60.0)] * 3 + [(60.0, 60.0)] * 3
    labels = {text.get_text() for text in axes[0].get_legend().get_texts()}
    assert labels == {"5 complete", "1 pruned"}


def test_of_many_workers_the_number_at_work_is_drawn(subject, tmp_path, axes):
    draw_timeline(subject(worked(500)), tmp_path / "t.png")
    assert not axes[0].patches
    assert axes[0].get_ylabel() == "workers"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["at work"]
    assert axes[0].get_ylim()[1] > 500


def paused(study, number, worker, begin, seconds, end=3600):
    """A trial that waits until the study ends, which prunes it."""
    run = {"overrides": [], "worker": worker}
    trial = create_trial(state=TrialState.PRUNED, user_attrs={"run": run, "seconds": seconds})
    trial.datetime_start = BEGIN + timedelta(seconds=begin)
    trial.datetime_complete = BEGIN + timedelta(seconds=end)
    study.add_trial(trial)


def test_a_paused_trial_covers_nothing_after_it_was_paused(subject, tmp_path, axes):
    study = optuna.create_study()
    for number, (begin, seconds) in enumerate([(0, 600.0), (600, 900.0), (1500, 300.0)]):
        paused(study, number, "w/0", begin, seconds)
    draw_timeline(subject(study), tmp_path / "t.png")
    bars = [(bar.get_x(), bar.get_width()) for bar in axes[0].patches]
    assert bars == [(0, 10), (10, 15), (25, 5)]  # minutes
    assert [text.get_text() for text in axes[0].texts] == ["0", "1", "2"]
    assert axes[0].figure.texts == [axes[0].figure._suptitle]


def test_resumed_trials_are_counted_before_the_time_that_their_worker_was_there(
    subject, tmp_path, axes
):
    study = optuna.create_study()
    paused(study, 0, "w/2", 1200, 1800.0, end=1800)
    start = BEGIN.timestamp()
    for name in ("w/2", "w/10"):
        study.set_user_attr(
            f"hpo:worker:{name}", {"start": start, "end": start + 1800, "busy_s": 0}
        )
    draw_timeline(subject(study), tmp_path / "t.png")
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["2", "10"]
    present = [path.get_extents() for c in axes[0].collections for path in c.get_paths()]
    assert [(box.x0, box.x1) for box in present] == [(0, 30), (0, 30)]
    assert [(bar.get_x(), bar.get_width()) for bar in axes[0].patches] == [(20, 10)]
    notes = [text.get_text() for text in axes[0].figure.texts]
    assert "resumed trials, drawn from their last start on: 1" in notes


def test_workers_of_several_launches_have_their_whole_names(subject, tmp_path, axes):
    study = optuna.create_study()
    paused(study, 0, "20260101-120000-ab12/0", 0, 60.0)
    paused(study, 1, "20260102-120000-cd34/0", 0, 60.0)
    draw_timeline(subject(study), tmp_path / "t.png")
    labels = axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [
        "20260101-120000-ab12/0",
        "20260102-120000-cd34/0",
    ]
    assert min(label.get_window_extent().x0 for label in labels) > 0


def test_the_time_of_a_waiting_trial_is_part_of_the_cost(subject, tmp_path, axes):
    study = optuna.create_study()
    study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"seconds": 7.0}))
    draw_cost(subject(study), tmp_path / "c.png")
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["waiting"]
    assert [bar.get_width() for bar in axes[0].patches] == [7.0]


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
