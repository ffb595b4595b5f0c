import numpy as np
import pytest

from mlpf.physics.accumulator import Accumulator
from mlpf.physics.jet_figures import JetFigure
from mlpf.physics.results import Curve
from mlpf.physics.sample import Answer, Sample

pytest.importorskip("fastjet")


def tower(pt, eta, phi=0.0, mass=0.0):
    energy = float(np.hypot(pt * np.cosh(eta), mass))
    return [3, 0, pt, eta, np.sin(phi), np.cos(phi), energy]


NO = [0] * 7


@pytest.fixture
def results(by_hand):
    """Four true jets; the rules find three, two above 20 GeV, and a fake; the network all."""
    true = [tower(50, 0, 0), tower(40, 1, 2), tower(22, -1, 1), tower(60, 3, 0), NO]
    rules = [
        tower(60, 0, 0),
        tower(44, 1, 2.15),
        tower(15, -1, 1),
        tower(60, 3, 0),
        tower(25, 2, -2),
    ]
    mlpf = np.array([tower(45, 0, 0), tower(36, 1, 2), tower(19, -1, 1), tower(60, 3, 0), NO])
    events = by_hand([(1, *pair) for pair in zip(true, rules, strict=True)])
    figure = Accumulator([], [JetFigure(["rules", "mlpf"])], n_draws=3)
    figure.add(Sample.of(events, Answer(mlpf, mlpf)))
    return list(figure.results())


@pytest.mark.parametrize(
    ("name", "selection", "rules", "mlpf"),
    [
        ("jets_per_event", "eta<2.5", 3, 2),
        ("jet_efficiency", "eta<2.5", 2 / 3, 2 / 3),
        ("jet_efficiency", "eta<2.5, dr<0.1", 1 / 3, 2 / 3),
        ("jet_efficiency", "eta<5, massless", 3 / 4, 3 / 4),
        ("jet_purity", "eta<2.5", 2 / 3, 1),
        ("jet_purity", "eta<5", 3 / 4, 1),
        # At three jets as the rules have, the network's threshold is 19 GeV.
        ("jet_efficiency_equal_number", "eta<2.5", 2 / 3, 1),
        ("jet_purity_equal_number", "eta<2.5", 2 / 3, 1),
        ("jet_threshold_equal_number", "eta<2.5", 20, 19),
        ("jet_response_median", "eta<2.5", 1.1, 0.9),
        ("jet_response_median", "eta<2.5, pt 30-100", 1.15, 0.9),
        ("jet_response_median", "eta<2.5, pt 20-30", 15 / 22, 19 / 22),
        ("jet_response_median", "eta<5, abs(eta) 3-4", 1, 1),
    ],
)
def test_figures_of_jets_by_hand(results, as_row, name, selection, rules, mlpf):
    assert as_row(results, name, selection, "rules").value == pytest.approx(rules, 1e-6)
    assert as_row(results, name, selection, "mlpf").value == pytest.approx(mlpf, 1e-6)


def test_mass_counts_only_where_it_is_not_removed(by_hand, as_row):
    """A heavy particle at eta 2 has another rapidity: it is no part of its jet."""
    true = [tower(30, 2), tower(30, 2.1)]
    heavy = [tower(30, 2), tower(30, 2.1, mass=120)]
    events = by_hand([(1, *pair) for pair in zip(true, heavy, strict=True)])
    figure = Accumulator([], [JetFigure(["rules"])], n_draws=0)
    figure.add(Sample.of(events))
    found = list(figure.results())
    assert as_row(found, "jet_response_median", "eta<2.5", "rules").value < 0.6
    assert as_row(found, "jet_response_median", "eta<2.5, massless", "rules").value == 1


def test_crowded_events_have_a_threshold_of_30_gev(by_hand):
    for n_elements, threshold in ((1, 20), (7000, 30)):
        figure = JetFigure(["rules"])
        accumulator = Accumulator([], [figure], n_draws=0)
        accumulator.add(Sample.of(by_hand([(1, NO, NO)] * n_elements)))
        list(accumulator.results())
        assert figure.pt_min == threshold
    assert JetFigure(["rules"], pt_min=15).pt_min == 15
    with pytest.raises(ValueError, match="jet_pt_min must be >= 10 or null, got 5"):
        JetFigure(["rules"], pt_min=5)


def test_the_last_bin_of_a_curve_is_drawn_with_twice_its_lower_edge(results):
    curves = [r for r in results if isinstance(r, Curve) and r.name.startswith("jet_response_")]
    assert {r.name for r in curves} == {"jet_response_median", "jet_response_iqr"}
    curve = next(r for r in curves if r.selection == "eta<2.5, pt" and r.column == "rules")
    assert curve.edges == [20, 30, 45, 70, 100, 200, 400]
    assert curve.n == [1, 1, 1, 0, 0, 0]


def test_shares_and_responses_of_jets_are_drawn_in_bins(results):
    curves = {
        (r.name, r.x_label): r
        for r in results
        if isinstance(r, Curve) and (r.selection, r.column) == ("eta<2.5", "rules")
    }
    # Of the true jets of 22, 40 and 50 GeV the first is lost; the jet of 25 GeV is a fake.
    efficiency = curves["jet_efficiency", "true jet pt [GeV]"]
    assert (efficiency.values[:3], efficiency.n[:3]) == ([0, 1, 1], [1, 1, 1])
    assert curves["jet_efficiency", "true jet |eta|"].values[:4] == [1, None, 0.5, None]
    purity = curves["jet_purity", "jet pt [GeV]"]
    assert (purity.values[:3], purity.n[:3]) == ([0, 1, 1], [1, 1, 1])
    response = curves["jet_response", "pt / true pt"]
    low = [edge for edge, n in zip(response.edges, response.values, strict=False) if n]
    assert [edge < r < edge + 0.025 for edge, r in zip(low, (15 / 22, 1.1, 1.2), strict=True)]
    assert response.kind == "histogram"
