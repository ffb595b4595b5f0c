import numpy as np
import pytest

from mlpf.physics.jets import Jets, Momenta, cluster, match

pytest.importorskip("fastjet")


def jets(pt, eta, phi=None, event=None):
    n = len(pt)
    zero = np.zeros(n)
    return Jets(
        np.zeros(n, int) if event is None else np.array(event),
        np.array(pt, float),
        np.array(eta, float),
        zero if phi is None else np.array(phi, float),
    )


def test_particles_within_the_radius_are_one_jet_and_events_stay_apart(capfd):
    eta = np.array([0.0, 0.1, 2.0, 0.0])
    pt = np.array([30.0, 10.0, 20.0, 15.0])
    event = np.array([0, 0, 0, 2])
    momenta = Momenta(event, pt, 0 * pt, pt * np.sinh(eta), pt * np.cosh(eta))
    one, two = cluster([momenta, momenta], 3, pt_min=10)
    assert one.event.tolist() == [0, 0, 2]
    assert one.pt.tolist() == pytest.approx([40, 20, 15])
    assert one.eta[1:].tolist() == pytest.approx([2, 0], abs=1e-6)
    assert 0 < one.eta[0] < 0.1
    assert np.array_equal(one.pt, two.pt)
    assert capfd.readouterr().out == "", "the banner of fastjet"


def test_a_heavy_particle_moves_its_rapidity_unless_taken_as_massless():
    """Two particles that touch in eta fall apart where one has far too much energy."""
    pt, eta = np.array([30.0, 30.0]), np.array([2.0, 2.2])
    energy = pt * np.cosh(eta) * np.array([1.0, 1.5])
    momenta = Momenta(np.zeros(2, int), pt, 0 * pt, pt * np.sinh(eta), energy)
    heavy, massless = cluster([momenta, momenta.massless()], 1, pt_min=10)
    assert len(heavy.pt) == 2
    assert massless.pt.tolist() == pytest.approx([60])


def test_no_particles_are_no_jets():
    empty = Momenta.of(np.zeros((3, 7)), np.zeros(3, int))
    (found,) = cluster([empty], 2, pt_min=10)
    assert len(found.pt) == 0
    first, back = match(found, found)
    assert len(first.pt) == len(back.distance) == 0


def test_the_closest_pair_comes_first_and_a_jet_has_one_partner():
    true, found = jets([50, 40], [0.0, 0.15]), jets([45, 20], [0.1, 0.25])
    of_true, of_found = match(true, found)
    # 0.15 and 0.1 are closest (0.05); the rest, 0.0 and 0.25, is too far apart.
    assert of_true.pt.tolist() == pytest.approx([np.nan, 45], nan_ok=True)
    assert of_true.distance.tolist() == pytest.approx([np.inf, 0.05])
    assert of_found.pt.tolist() == pytest.approx([40, np.nan], nan_ok=True)


def test_jets_of_an_event_without_any_true_one_have_no_partner():
    of_true, of_found = match(jets([], []), jets([45, 20], [0.1, 0.25]))
    assert len(of_true.pt) == 0
    assert of_found.distance.tolist() == [np.inf, np.inf]
    assert np.isnan(of_found.pt).all()


def test_jets_match_around_the_circle_and_within_their_event():
    true = jets([50, 50], [0, 0], [3.1, 0], [0, 1])
    found = jets([40, 30], [0, 0], [-3.1, 0], [0, 2])
    of_true, _ = match(true, found)
    assert of_true.distance.tolist() == pytest.approx([2 * np.pi - 6.2, np.inf])
