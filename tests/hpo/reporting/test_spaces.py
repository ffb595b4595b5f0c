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


def test_one_key_alone_has_no_parallel_coordinates(subject, tmp_path, axes, study):
    draw_parallel(subject(study), tmp_path / "p.png")
    notes = [text.get_text() for text in axes[0].figure.texts]
    assert "fewer than two hyperparameters are searched" in notes
    assert searched(study.trials) == ["x"]
