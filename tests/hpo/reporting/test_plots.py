import optuna
import pytest
from matplotlib.figure import Figure

from hpo.reporting.plots import draw_history, draw_importances, draw_learning_curves

PNG = b"\x89PNG"


@pytest.fixture
def axes(monkeypatch):
    """The axes of what is drawn, in order."""
    drawn, save = [], Figure.savefig

    def keep(figure, *args, **kwargs):
        drawn.append(figure.axes[0])
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn


def test_pictures_are_png_files_and_nothing_else_is_left(study, tmp_path):
    draw_history(study.trials, "minimize", tmp_path / "h.png")
    draw_learning_curves(study.trials, 1, tmp_path / "l.png")
    draw_importances(study, tmp_path / "i.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.png", "i.png", "l.png"]
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())


def test_a_study_without_trials_has_pictures(tmp_path):
    study = optuna.create_study()
    draw_history([], "minimize", tmp_path / "h.png")
    draw_learning_curves([], None, tmp_path / "l.png")
    draw_importances(study, tmp_path / "i.png")
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("direction", "best"), [("minimize", [1.5, 1.0]), ("maximize", [1.5, 1.5])]
)
def test_the_history_shows_the_best_value_so_far(study, tmp_path, axes, direction, best):
    draw_history(study.trials, direction, tmp_path / "h.png")
    (line,) = axes[0].lines
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == best


def test_learning_curves_have_a_line_per_trial_and_a_label_per_kind(study, tmp_path, axes):
    draw_learning_curves(study.trials, 1, tmp_path / "l.png")
    assert len(axes[0].lines) == 6
    labels = {text.get_text() for text in axes[0].get_legend().get_texts()}
    assert labels == {"pruned", "complete", "fail", "best: trial 1"}


def test_a_diverged_trial_does_not_flatten_the_others(study, tmp_path, axes):
    draw_learning_curves(study.trials, 1, tmp_path / "all.png")
    draw_learning_curves(study.trials[:2], 1, tmp_path / "two.png")
    assert [a.get_yscale() for a in axes] == ["log", "linear"]


def test_importances_of_too_few_trials_are_a_sentence(tmp_path, axes):
    draw_importances(optuna.create_study(), tmp_path / "i.png")
    assert axes[0].texts[0].get_text() == "not yet: 0 trials have a value, 15 are needed"
    assert not axes[0].patches


def test_importances_have_a_bar_per_parameter_and_say_of_what_they_are(tmp_path, axes):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("a", 0, 1) + t.suggest_float("b", 0, 9), n_trials=30)
    draw_importances(study, tmp_path / "i.png")
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    widths = [bar.get_width() for bar in axes[0].patches]
    assert names == ["a", "b"]
    assert widths[0] < widths[1]
    assert axes[0].get_title() == "30 trials, pruned ones included, by their final values"
    assert "share of the variance of ranks" in axes[0].get_xlabel()
