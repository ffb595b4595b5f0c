import numpy as np
import pytest

from mlpf.physics.accumulator import Accumulator
from mlpf.physics.events import MetFigure, MultiplicityFigure
from mlpf.physics.sample import Answer, Sample


def photon(pt, phi, eta=1.0):
    return [3, 0, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)]


NO = [0] * 7


def results(figure, events, mlpf=None, n_draws=2):
    accumulator = Accumulator([], [figure], n_draws=n_draws)
    accumulator.add(Sample.of(events, mlpf))
    return list(accumulator.results())


def test_met_of_an_event_made_by_hand(by_hand, as_row):
    """Two photons back to back and one across: only the vector sum has 30 GeV, not 130."""
    back_to_back = [(1, photon(50, 0.3), photon(50, 0.3)), (1, photon(50, 0.3 + np.pi), NO)]
    across = [(1, photon(30, 1.2), photon(30, 1.2))]
    found = results(MetFigure(["rules"]), by_hand(back_to_back + across))
    assert as_row(found, "met", "all", "truth").value == pytest.approx(30, 1e-6)
    assert as_row(found, "sum_pt", "all", "truth").value == pytest.approx(130, 1e-6)
    # The rules miss 50 GeV, the length of the residual: 50 / sqrt(2) per component.
    assert as_row(found, "met_rms", "all", "rules").value == pytest.approx(50 / 2**0.5, 1e-6)
    assert as_row(found, "sum_pt_ratio", "all", "rules").value == pytest.approx(80 / 130, 1e-6)
    met = np.hypot(30 * np.cos(1.2) + 50 * np.cos(0.3), 30 * np.sin(1.2) + 50 * np.sin(0.3))
    response = as_row(found, "met_response_median", "true MET 30-60", "rules")
    assert (response.value, response.n) == (pytest.approx(met / 30, 1e-6), 1)


def test_the_figures_of_met_are_those_of_numpy(drawn, noisy, as_row):
    network = noisy(drawn)
    found = results(MetFigure(["rules", "mlpf"]), drawn, network, n_draws=200)
    rms = {}
    for column, labels in (("rules", drawn.ycand), ("mlpf", network.particles)):
        difference = np.array(labels, np.float64)[:, [5, 4]] * labels[:, [2]]
        difference -= drawn.ygen[:, [5, 4]] * drawn.ygen[:, [2]]
        residual = np.add.reduceat(difference, drawn.offsets[:-1])
        rms[column] = (residual**2).mean() ** 0.5
        assert as_row(found, "met_rms", "all", column).value == pytest.approx(rms[column], 1e-4)
        core = np.quantile(np.abs(residual), 0.68, method="hazen")
        assert as_row(found, "met_quantile68", "all", column).value == pytest.approx(core, 0.01)
    ratio = as_row(found, "met_ratio", "all", "mlpf")
    assert ratio.value == pytest.approx(rms["mlpf"] / rms["rules"], 1e-4)
    assert 0.01 < ratio.error < 0.5
    difference = as_row(found, "met_rms", "all", "mlpf-rules")
    assert difference.value == pytest.approx(rms["mlpf"] - rms["rules"], 1e-3)


def test_a_candidate_that_is_not_finite_enters_no_sum(by_hand, as_row):
    events = by_hand([(1, photon(50, 0), NO), (1, photon(40, 0), NO)])
    bad = events.ygen.copy()
    bad[1, 2] = np.nan
    found = results(MetFigure(["rules", "mlpf"]), events, Answer(bad, bad))
    assert as_row(found, "sum_pt_ratio", "all", "mlpf").value == pytest.approx(50 / 90, 1e-6)


def test_multiplicity_by_hand(by_hand, as_row):
    p = photon(5, 0)
    events = by_hand([(1, p, p)] * 4, [(1, p, p), (1, p, NO)], [(1, p, p)] * 2 + [(1, NO, p)])
    found = results(MultiplicityFigure(["rules"]), events)
    true, given = np.array([4, 2, 2]), np.array([4, 1, 3])
    shift = as_row(found, "multiplicity_shift", "photon", "rules")
    assert (shift.value, shift.n) == (0, 3)
    width = as_row(found, "multiplicity_std", "neutral", "rules").value
    assert width == pytest.approx((given / true - 1).std(), 1e-6)
    correlation = as_row(found, "multiplicity_correlation", "photon", "rules").value
    assert correlation == pytest.approx(np.corrcoef(true, given)[0, 1], 1e-6)
    assert as_row(found, "multiplicity", "photon", "truth").value == pytest.approx(8 / 3, 1e-6)
    assert as_row(found, "multiplicity_shift", "muon", "rules").value is None


def test_residuals_and_numbers_of_particles_are_counted(by_hand):
    p = photon(52, 0)
    events = by_hand([(1, p, p), (1, p, NO)], [(1, p, p)])
    found = [r for r in results(MetFigure(["rules"]), events) if r.name == "met_residual"]
    ((residual,), middle) = found, 20
    # The rules miss 52 GeV in x in one event; the three other residuals are 0.
    assert (sum(residual.values), residual.values[middle]) == (4, 3)
    assert residual.values[[e <= -52 < e + 5 for e in residual.edges].index(True)] == 1
    counts = results(MultiplicityFigure(["rules"]), events)
    (number,) = (r for r in counts if (r.name, r.selection) == ("multiplicity_residual", "photon"))
    assert {number.edges[i].__round__(3): n for i, n in enumerate(number.values) if n} == {
        -0.525: 1,
        -0.025: 1,
    }
