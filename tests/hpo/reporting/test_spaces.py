import math

import numpy as np
import optuna
import pytest
from matplotlib.collections import LineCollection
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from hpo.reporting.spaces import draw_parallel, draw_slices, place_of, searched
from hpo.reporting.style import BEST

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "layers": IntDistribution(1, 5),
    "kind": CategoricalDistribution(["a", "<b>", None]),
    "fixed": FloatDistribution(1.0, 1.0),
}


def trial(value, **params):
    return create_trial(value=value, params=params, distributions={k: SPACE[k] for k in params})


@pytest.fixture
def mixed():
    study = optuna.create_study(study_name="s")
    study.add_trial(trial(3.0, lr=1e-4, layers=1, kind="a", fixed=1.0))
    study.add_trial(trial(1.0, lr=1e-3, layers=3, kind=None, fixed=1.0))
    study.add_trial(trial(2.0, lr=1e-2, kind="<b>", fixed=1.0))
    return study


@pytest.mark.parametrize(
    ("params", "name", "place"),
    [
        ({"lr": 1e-3}, "lr", 0.5),
        ({"layers": 5}, "layers", 1.0),
        ({"kind": "<b>"}, "kind", 0.5),
        ({"fixed": 1.0}, "fixed", 0.5),
    ],
)
def test_a_value_has_its_place_in_the_range(params, name, place):
    assert place_of(trial(1.0, **params), name) == pytest.approx(place)


def test_a_key_that_a_trial_lacks_has_no_place():
    assert math.isnan(place_of(trial(1.0, lr=1e-3), "layers"))


def test_parallel_coordinates_have_a_line_per_trial_and_mark_the_best(
    mixed, subject, tmp_path, axes
):
    draw_parallel(subject(mixed), tmp_path / "p.png")
    (lines,) = [c for c in axes[0].collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == 3
    labels = [label.get_text() for label in axes[0].get_xticklabels()]
    assert labels == ["lr", "layers", "kind"]
    (best,) = [line for line in axes[0].lines if line.get_label() == "best: trial 1"]
    np.testing.assert_allclose(best.get_ydata(), [0.5, 0.5, 1.0])
    assert {"<b>", "None"} <= {text.get_text() for text in axes[0].texts}


def test_slices_have_a_panel_per_searched_key(mixed, subject, tmp_path, axes):
    draw_slices(subject(mixed), tmp_path / "s.png")
    lr, layers, kind = axes[0].figure.axes[:3]
    assert [p.get_xlabel() for p in (lr, layers, kind)] == ["lr", "layers", "kind"]
    assert lr.get_xscale() == "log"
    (best,) = [line for line in lr.lines if line.get_color() == BEST]
    assert (*best.get_xdata(), *best.get_ydata()) == (1e-3, 1.0)
    assert [t.get_text() for t in kind.get_xticklabels()] == ["a", "<b>", "None"]


@pytest.fixture
def one_outside(subject):
    """A study whose first trial is bad, with an `lr` far outside of the range: a default."""
    study = optuna.create_study(study_name="s")
    values = [1e4, *(1 + n / 10 for n in range(9))]
    for value, lr in zip(values, np.geomspace(1e-4, 1e-2, 10), strict=True):
        study.add_trial(trial(value, lr=lr, layers=3, kind="a"))
    read = subject(study)
    read.trials[0].params["lr"] = 1.0
    return read


def test_a_trial_beyond_the_axis_is_counted_and_stretches_no_panel(one_outside, tmp_path, axes):
    draw_slices(one_outside, tmp_path / "s.png")
    lr, layers, kind = axes[0].figure.axes[:3]
    assert lr.get_xlim()[1] < 0.1
    assert lr.get_ylim() == layers.get_ylim() == kind.get_ylim()
    notes = [text.get_text() for text in lr.figure.texts]
    assert notes.count("1 of 10 trials end beyond the axis") == 1
    key = [text.get_text() for text in lr.get_legend().get_texts()]
    assert key == ["not complete", "complete", "best"]


def test_a_logarithmic_range_of_less_than_two_decades_has_ticks(subject, tmp_path, axes):
    study = optuna.create_study()
    for lr in (2e-4, 4e-4, 8e-4):
        study.add_trial(trial(lr, lr=lr))
    draw_slices(subject(study), tmp_path / "s.png")
    low, high = axes[0].get_xlim()
    assert sum(low <= tick <= high for tick in axes[0].get_xticks()) >= 2


def test_values_outside_of_their_range_are_drawn_at_its_end(one_outside, tmp_path, axes):
    draw_parallel(one_outside, tmp_path / "p.png")
    (lines,) = [c for c in axes[0].collections if isinstance(c, LineCollection)]
    heights = [segment[0, 1] for segment in lines.get_segments()]
    low, high = axes[0].get_ylim()
    assert low < min(heights) < 1 < max(heights) < high


def test_long_names_below_the_coordinates_are_inside_of_the_picture(subject, tmp_path, axes):
    study = optuna.create_study()
    space = {f"model.block.{c * 4}_a_long_name_{c}": FloatDistribution(0, 1) for c in "abcdefgh"}
    for x in (0.2, 0.8):
        params = dict.fromkeys(space, x)
        study.add_trial(create_trial(value=x, params=params, distributions=space))
    draw_parallel(subject(study), tmp_path / "p.png")
    boxes = [label.get_window_extent() for label in axes[0].get_xticklabels()]
    assert len(boxes) == 8
    assert min(box.x0 for box in boxes) > 0
    assert min(box.y0 for box in boxes) > 0


def test_one_key_alone_has_no_parallel_coordinates(subject, tmp_path, axes, study):
    draw_parallel(subject(study), tmp_path / "p.png")
    notes = [text.get_text() for text in axes[0].figure.texts]
    assert "fewer than two hyperparameters are searched" in notes
    assert searched(study.trials) == ["x"]
