import numpy as np
import pytest

from mlpf.physics.accumulator import Accumulator
from mlpf.physics.classes import ChargeFigure, ClassFigure, OperatingPoint
from mlpf.physics.sample import Answer, Sample

H, G = [2, 0, 5, 0, 0, 1, 5], [3, 0, 5, 0, 0, 1, 5]
NO, C, D = [0] * 7, [1, 1, 5, 0, 0, 1, 5], [1, -1, 5, 0, 0, 1, 5]


@pytest.fixture
def results(by_hand):
    towers = [(1, H, H), (1, H, G), (1, G, G), (1, NO, H), (1, NO, NO)]
    tracks = [(2, C, C), (2, C, D)]
    figure = Accumulator([ClassFigure(["rules"]), ChargeFigure(["rules"])], [], n_draws=2)
    figure.add(Sample.of(by_hand(towers, tracks)))
    return list(figure.results())


@pytest.mark.parametrize(
    ("name", "selection", "value", "n"),
    [
        ("accuracy", "all", 5 / 7, 7),
        ("tower_accuracy", "towers", 3 / 5, 5),
        ("track_accuracy", "tracks", 1, 2),
        ("efficiency", "neutral_hadron", 1 / 2, 2),
        ("fake_rate", "neutral_hadron", 1 / 2, 2),
        ("f1", "neutral_hadron", 1 / 2, 2),
        ("fake_rate", "photon", 1 / 2, 2),
        ("efficiency", "towers, none", 1 / 2, 2),
        ("efficiency", "muon", None, 0),
        ("charge_accuracy", "tracks", 1 / 2, 2),
    ],
)
def test_figures_of_classes_by_hand(results, as_row, name, selection, value, n):
    found = as_row(results, name, selection, "rules")
    assert (found.value, found.n) == (None if value is None else pytest.approx(value), n)


def test_the_confusion_curve_of_a_class_has_the_shares_of_its_elements(results):
    (curve,) = [r for r in results if r.name == "confusion" and r.selection == "towers, none"]
    assert curve.values == [0.5, 0, 0.5, 0, 0, 0]
    assert curve.n == [1, 0, 1, 0, 0, 0]


def test_the_fake_rate_is_taken_where_the_efficiency_is_that_of_the_rules(by_hand, as_row):
    rows = [(1, H, H), (1, H, H), (1, H, NO), (1, H, NO), (1, NO, H), (1, NO, NO), (1, NO, NO)]
    events = by_hand(rows)
    p = np.zeros((7, 6))
    p[:, 2] = [0.9, 0.7, 0.3, 0.2, 0.8, 0.6, 0.1]
    figure = Accumulator([OperatingPoint()], [], n_draws=0)
    figure.add(Sample.of(events, Answer(events.ygen, events.ygen, p)))
    found = list(figure.results())
    name = "fake_rate_at_rules_efficiency"
    # The rules find 2 of 4 and one fake; above .7 the network has these two and the fake at .8.
    assert as_row(found, name, "neutral_hadron", "rules").value == pytest.approx(1 / 3)
    assert as_row(found, name, "neutral_hadron", "mlpf").value == pytest.approx(1 / 3)
    assert as_row(found, f"{name}_ratio", "neutral_hadron", "mlpf").value == pytest.approx(1)
