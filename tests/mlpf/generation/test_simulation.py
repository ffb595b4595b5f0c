"""Flight, tracks and cells."""

import numpy as np
import pytest

from mlpf import detector
from mlpf.generation.simulation import (
    RECORD,
    Impact,
    Particles,
    log_normal,
    make_cells,
    make_tracks,
    propagate,
    sum_by,
)

PION_MASS = 0.13957


def particles(n=1, pid=211, charge=1, pt=1.0, eta=0.0, phi=0.0, vertex=(0.0, 0.0, 0.0)):
    """Equal particles, or arrays of length n where arguments are arrays."""
    records = np.zeros(n, dtype=RECORD)
    records["pid"], records["charge"] = pid, charge
    records["px"], records["py"] = pt * np.cos(phi), pt * np.sin(phi)
    records["pz"] = pt * np.sinh(eta)
    mass = PION_MASS if abs(np.max(pid)) == 211 else 0.0
    records["energy"] = np.hypot(pt * np.cosh(eta), mass)
    records["x"], records["y"], records["z"] = vertex
    return Particles.from_records(records)


def test_a_neutral_particle_flies_straight_to_the_barrel():
    impact = propagate(particles(pid=22, charge=0, eta=0.7, phi=2.0))
    np.testing.assert_allclose(impact.eta, 0.7, rtol=1e-6)
    np.testing.assert_allclose(impact.phi, 2.0, rtol=1e-6)


def test_a_displaced_neutral_particle_meets_the_wall_where_geometry_says():
    # from x = 100 mm along y: it meets the barrel where x is still 100 mm
    impact = propagate(particles(pid=22, charge=0, phi=np.pi / 2, vertex=(100.0, 0.0, 50.0)))
    np.testing.assert_allclose(impact.phi, np.arccos(100 / 1290), rtol=1e-6)
    np.testing.assert_allclose(np.sinh(impact.eta), 50 / 1290, rtol=1e-5)


@pytest.mark.parametrize("charge", [1, -1])
def test_a_charged_particle_bends_by_the_textbook_angle(charge):
    # sin of the angle is half the chord over the radius of the circle; + turns clockwise
    pt = 2.0
    radius_mm = pt / (0.299792458e-3 * 3.8)
    impact = propagate(particles(charge=charge, pt=pt))
    np.testing.assert_allclose(impact.phi, -charge * np.arcsin(1290 / (2 * radius_mm)), rtol=1e-6)


def test_a_very_fast_charged_particle_flies_straight():
    impact = propagate(particles(pt=1e6, eta=1.0, phi=1.0))
    np.testing.assert_allclose([impact.eta[0], impact.phi[0]], [1.0, 1.0], atol=1e-5)


def test_a_slow_charged_particle_curls_to_the_endcap():
    # diameter 2 pt / (0.3 B) = 0.35 m: far from the barrel, so |z| is 3 m at the end
    impact = propagate(particles(pt=0.2, eta=0.3))
    assert np.sinh(impact.eta[0]) > 3000 / 360


def test_curved_paths_agree_with_small_steps_through_the_field():
    rng = np.random.default_rng(1)
    n = 40
    vertex = rng.normal(0, 20, n), rng.normal(0, 20, n), rng.normal(0, 50, n)
    made = particles(
        n,
        charge=rng.choice([-1, 1], n),
        pt=rng.uniform(0.3, 3, n),
        eta=rng.uniform(-2.5, 2.5, n),
        phi=rng.uniform(-3, 3, n),
        vertex=vertex,
    )
    impact = propagate(made)
    for i in range(n):
        eta, phi = step_through_field(made, i)
        np.testing.assert_allclose([impact.eta[i]], [eta], atol=5e-3)
        assert abs(np.angle(np.exp(1j * (impact.phi[i] - phi)))) < 5e-3


def step_through_field(made, i, step_mm=0.5):
    position = np.array([made.x[i], made.y[i], made.z[i]])
    direction = np.array([made.px[i], made.py[i], made.pz[i]]) / made.pt[i]
    turn = -made.charge[i] * 0.299792458e-3 * 3.8 / made.pt[i] * step_mm
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    while np.hypot(position[0], position[1]) < 1290 and abs(position[2]) < 3000:
        position = position + step_mm * direction
        direction = rotation @ direction
    x, y, z = position
    return np.arcsinh(z / np.hypot(x, y)), np.arctan2(y, x)


@pytest.mark.parametrize("vertex", [(1300.0, 0.0, 0.0), (0.0, 0.0, 3100.0)])
def test_a_particle_born_outside_reaches_nothing(vertex):
    assert not propagate(particles(vertex=vertex)).reached[0]


def test_a_particle_along_the_beam_reaches_nothing_and_warns_of_nothing():
    impact = propagate(particles(pt=0.0))
    assert not impact.reached[0]
    assert np.isfinite([impact.eta[0], impact.phi[0]]).all()


def test_log_normal_keeps_mean_and_width():
    drawn = log_normal(np.full(200_000, 2.0), np.full(200_000, 1.0), np.random.default_rng(0))
    assert np.all(drawn > 0)
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [2.0, 1.0], rtol=0.01)


def test_tracks_are_found_with_the_efficiency_and_smeared_with_the_resolution():
    made = particles(50_000, pt=2.0, eta=0.1)
    tracks = make_tracks(made, propagate(made), np.random.default_rng(2))
    np.testing.assert_allclose(len(tracks.pt) / 50_000, 0.95, atol=0.004)
    np.testing.assert_allclose(tracks.pt.mean(), 2.0, rtol=2e-3)
    np.testing.assert_allclose(tracks.pt.std() / 2.0, np.hypot(0.06, 2.6e-3), rtol=0.02)
    np.testing.assert_allclose(tracks.eta.std(), 0.01, rtol=0.02)
    np.testing.assert_allclose(tracks.phi.std(), 0.01, rtol=0.02)
    np.testing.assert_allclose(tracks.mass, PION_MASS, rtol=1e-3)


def test_a_curling_particle_is_measured_like_one_that_flew_to_the_endcap():
    made = particles(20_000, pt=0.6, eta=0.5)
    impact = propagate(made)
    assert 1.5 < impact.eta[0] < 2.5
    tracks = make_tracks(made, impact, np.random.default_rng(3))
    np.testing.assert_allclose(len(tracks.pt) / 20_000, 0.60, atol=0.02)
    np.testing.assert_allclose(tracks.resolution, 0.25, rtol=1e-3)


def test_neutral_particles_make_no_tracks():
    made = particles(100, pid=22, charge=0)
    assert len(make_tracks(made, propagate(made), np.random.default_rng(0)).pt) == 0


def impacts(eta, phi):
    return Impact(np.asarray(eta), np.asarray(phi), np.ones(len(eta), dtype=bool))


def test_particles_of_one_cell_are_summed():
    impact = impacts([0.001, 0.002, 1.0], [0.001, 0.002, 0.0])
    cells = make_cells(
        detector.ECAL, impact, np.array([30.0, 70.0, 50.0]), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(cells.of_particle, [0, 0, 1])
    np.testing.assert_allclose(cells.energy, [100, 50], rtol=0.2)


def test_cell_energies_have_the_mean_and_width_of_the_formula():
    n = 36_000
    cells_eta, width, cells_phi, phi_width = detector.ECAL.grid.bounds(np.arange(60_000, 96_000))
    eta, phi = cells_eta + width / 2, cells_phi + phi_width / 2
    cells = make_cells(
        detector.ECAL, impacts(eta, phi), np.full(n, 100.0), np.random.default_rng(4)
    )
    expected = detector.ecal_sigma(eta, np.full(n, 100.0))
    np.testing.assert_allclose(cells.energy.mean(), 100.0, rtol=1e-3)
    np.testing.assert_allclose(((cells.energy - 100) / expected).std(), 1.0, rtol=0.02)


def test_cells_below_threshold_or_significance_read_nothing():
    eta, _, phi, _ = detector.HCAL.grid.bounds(np.arange(800, 1600))
    impact = impacts(eta + 1e-3, phi + 1e-3)
    soft = make_cells(detector.HCAL, impact, np.full(800, 5.0), np.random.default_rng(5))
    seen = soft.energy[soft.energy > 0]
    assert 0 < len(seen) < 800
    sigma = detector.hcal_sigma(np.zeros(len(seen)), seen)
    assert np.all((seen > 1.0) & (seen > 2 * sigma))


def test_cell_positions_are_spread_over_the_cell():
    low, width, phi, phi_width = detector.HCAL.grid.bounds(np.arange(1000, 1072))
    impact = impacts(low + width / 2, phi + phi_width / 2)
    cells = make_cells(detector.HCAL, impact, np.full(72, 100.0), np.random.default_rng(6))
    place = (cells.eta - low) / width, (cells.phi - phi) / phi_width
    for part in place:
        assert np.all((part >= 0) & (part <= 1))
        assert part.std() > 0.2


def test_no_energy_no_cells():
    cells = make_cells(detector.ECAL, impacts([0.0], [0.0]), np.zeros(1), np.random.default_rng(0))
    assert len(cells.energy) == 0
    np.testing.assert_array_equal(cells.of_particle, [-1])


def test_sum_by_adds_what_has_the_same_index():
    sums = sum_by(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 4)
    np.testing.assert_array_equal(sums, [4, 0, 2, 0])
