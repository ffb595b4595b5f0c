import optuna
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from optuna.trial import TrialState, create_trial

from commons.picture_style import GRAY
from hpo.attributes import REPORTED
from hpo.reporting.plots import (
    draw_curve,
    draw_history,
    draw_importances,
    draw_learning_curves,
    draw_rungs,
    thinned,
)
from hpo.reporting.style import BEST

PNG = b"\x89PNG"
DRAW = (draw_history, draw_learning_curves, draw_rungs, draw_importances)


def curves(panel):
    return [c for c in panel.collections if isinstance(c, LineCollection)]


@pytest.mark.parametrize("draw", DRAW)
def test_pictures_are_png_files_also_of_a_study_without_trials(study, subject, tmp_path, draw):
    for name, shown in (("full", study), ("empty", optuna.create_study())):
        draw(subject(shown), tmp_path / f"{name}.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.png", "full.png"]
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("direction", "best"), [("minimize", [1.5, 1.0]), ("maximize", [1.5, 1.5])]
)
def test_the_history_shows_the_best_value_so_far(add, subject, tmp_path, axes, direction, best):
    study = optuna.create_study(direction=direction)
    add(study, TrialState.COMPLETE, [1.5])
    add(study, TrialState.COMPLETE, [1.0])
    draw_history(subject(study), tmp_path / "h.png")
    (line,) = [line for line in axes[0].lines if line.get_label() == "best so far"]
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == best
    assert [text.get_text() for text in axes[0].texts] == [
        f"trial {best.index(best[-1])}: {best[-1]:g}"
    ]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_learning_curves_show_the_pruned_ones_in_gray_and_the_best_one_by_name(
    study, subject, tmp_path, axes
):
    study.set_metric_names(["val_loss"])
    draw_learning_curves(subject(study), tmp_path / "l.png")
    by_color = {to_hex(c.get_color()[0]): len(c.get_segments()) for c in curves(axes[0])}
    assert by_color[GRAY] == 3
    assert sum(by_color.values()) == 5  # the failed one has reported nothing
    (best,) = [line for line in axes[0].lines if line.get_label() == "best"]
    assert best.get_color() == BEST
    assert [*best.get_ydata()] == [4, 3, 2, 1.0]
    assert axes[0].texts[0].get_text() == "trial 1: 1"
    assert axes[0].get_ylabel() == "val_loss"
    labels = {text.get_text() for text in axes[0].get_legend().get_texts()}
    assert labels == {"3 pruned", "2 complete", "best"}


def test_a_diverged_trial_does_not_flatten_the_others_and_is_counted(
    study, subject, tmp_path, axes
):
    draw_learning_curves(subject(study), tmp_path / "l.png")
    low, high = axes[0].get_ylim()
    assert low < 1.0
    assert high < 20
    notes = [text.get_text() for text in axes[0].figure.texts]
    assert "1 of 5 trials end beyond the axis" in notes


def test_rungs_are_bars_of_those_that_went_on_and_those_that_stopped(
    study, subject, tmp_path, axes
):
    draw_rungs(subject(study), tmp_path / "r.png")
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["epoch 1", "epoch 3"]
    heights = [bar.get_height() for bar in axes[0].patches]
    assert heights == [4, 2, 1, 1]  # 5 reached epoch 1 and one stopped there; 3 reached epoch 3
    assert [text.get_text() for text in axes[0].texts] == ["5\nbest 4", "3\nbest 2"]


def test_one_curve_is_drawn_before_all_others(study, subject, tmp_path, axes):
    shown = subject(study)
    draw_curve(shown, shown.trials[3], tmp_path / "c.png")
    (others,) = curves(axes[0])
    assert len(others.get_segments()) == 4
    assert axes[0].texts[0].get_text() == "epoch 3: 7"


def test_importances_of_too_few_trials_are_a_sentence(subject, tmp_path, axes):
    draw_importances(subject(optuna.create_study()), tmp_path / "i.png")
    notes = [text.get_text() for text in axes[0].figure.texts]
    assert "not yet: 0 trials have a value, 15 are needed" in notes
    assert not axes[0].patches


def test_importances_have_a_bar_per_parameter_and_say_of_what_they_are(subject, tmp_path, axes):
    study = optuna.create_study(study_name="s", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("a", 0, 1) + t.suggest_float("b", 0, 9), n_trials=30)
    draw_importances(subject(study), tmp_path / "i.png")
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    widths = [bar.get_width() for bar in axes[0].patches]
    assert names == ["a", "b"]
    assert widths[0] < widths[1]
    figure = axes[0].figure
    assert figure._suptitle.get_text() == "s: importances from 30 trials by their final values"
    label = figure._supxlabel
    assert "share of the variance of ranks" in label.get_text()
    assert "do not add up to 1" in label.get_text()
    shown, ticks = (t.get_window_extent() for t in (label, axes[0].get_xticklabels()[0]))
    assert figure.bbox.x0 < shown.x0 < shown.x1 < figure.bbox.x1
    assert figure.bbox.y0 < shown.y0 < shown.y1 < ticks.y0


@pytest.mark.parametrize("draw", [draw_history, draw_learning_curves])
def test_the_best_trial_is_marked_where_it_had_its_value(subject, tmp_path, axes, draw):
    study = optuna.create_study()
    curve = {1: 0.9, 2: 0.41112607, 3: 0.5}
    study.add_trial(create_trial(value=0.41112607, intermediate_values=curve))
    study.add_trial(create_trial(value=0.7, intermediate_values={1: 0.9, 2: 0.8, 3: 0.7}))
    draw(subject(study), tmp_path / "p.png")
    (text,) = axes[0].texts
    assert text.get_text() == "trial 0: 0.411126"
    assert text.xy == (0 if draw is draw_history else 2, 0.41112607)
    inside, shown = axes[0].get_window_extent(), text.get_window_extent()
    assert inside.x0 < shown.x0 < shown.x1 < inside.x1
    assert inside.y0 < shown.y0 < shown.y1 < inside.y1


@pytest.mark.parametrize("draw", [draw_history, draw_learning_curves])
def test_numbers_of_trials_and_epochs_are_whole(study, subject, tmp_path, axes, draw):
    draw(subject(study), tmp_path / "p.png")
    assert all(tick == int(tick) for tick in axes[0].get_xticks())


def test_of_many_trials_the_best_and_some_others_are_drawn():
    kept = thinned(range(28_000), 600)
    assert len(kept) <= 600
    assert kept[-300:] == [*range(27_700, 28_000)]
    assert kept[:2] == [0, 93]
    assert thinned([1, 2], 600) == [1, 2]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_values_of_pruned_and_complete_trials_are_drawn_by_the_reported_objective(
    subject, tmp_path, axes
):
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.set_metric_names(["ms", "accuracy"])
    study.set_user_attr(REPORTED, 1)
    pruned = {"state": TrialState.PRUNED, "intermediate_values": {1: 0.1}}
    study.add_trial(create_trial(**pruned))
    for ms, accuracy in ((5.0, 0.8), (7.0, 0.9), (6.0, 0.7)):
        curve = {1: accuracy / 2, 2: accuracy}
        study.add_trial(create_trial(values=[ms, accuracy], intermediate_values=curve))
    for draw in (draw_history, draw_learning_curves):
        draw(subject(study), tmp_path / "p.png")
    assert [panel.get_ylabel() for panel in axes] == ["accuracy", "accuracy"]
    by_name = {line.get_label(): line.get_ydata().tolist() for line in axes[0].lines}
    assert by_name["1 pruned"] == [0.1]
    assert by_name["3 complete"] == [0.8, 0.9, 0.7]
    assert by_name["best so far"] == [0.8, 0.9, 0.9]
