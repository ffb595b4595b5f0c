"""The card as formulas."""

import numpy as np
import pytest

from mlpf import detector
from mlpf.detector import CHARGED_HADRON, ECAL, ELECTRON, HCAL, MUON, CellGrid


@pytest.mark.parametrize(
    ("model", "pt", "eta", "expected"),
    [
        (CHARGED_HADRON, 0.05, 0.0, 0.0),
        (CHARGED_HADRON, 1.0, 0.0, 0.70),
        (CHARGED_HADRON, 1.1, -1.5, 0.95),
        (CHARGED_HADRON, 0.5, 2.0, 0.60),
        (CHARGED_HADRON, 50.0, -2.4, 0.85),
        (CHARGED_HADRON, 50.0, 2.51, 0.0),
        (ELECTRON, 100.0, 0.0, 0.95),
        (ELECTRON, 101.0, 2.0, 0.90),
        (MUON, 0.5, 0.0, 0.75),
        (MUON, 10.0, 2.0, 0.98),
    ],
)
def test_tracking_efficiency_is_that_of_the_card(model, pt, eta, expected):
    assert model.efficiency_at(np.array([pt]), np.array([eta])) == expected


@pytest.mark.parametrize(
    ("model", "pt", "eta", "expected"),
    [
        (CHARGED_HADRON, 1.0, 0.2, 0.0600141),
        (CHARGED_HADRON, 100.0, -1.0, np.hypot(0.10, 0.17)),
        (ELECTRON, 10.0, 2.2, np.hypot(0.15, 0.031)),
        (MUON, 100.0, 0.1, np.hypot(0.01, 0.01)),
    ],
)
def test_momentum_resolution_is_that_of_the_card(model, pt, eta, expected):
    resolution = model.resolution_at(np.array([pt]), np.array([eta]))
    np.testing.assert_allclose(resolution, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("sigma", "eta", "energy", "expected"),
    [
        (detector.ecal_sigma, 0.0, 100.0, np.sqrt(0.64 + 1.21 + 0.16)),
        (detector.ecal_sigma, -1.0, 100.0, 1.64 * np.sqrt(0.64 + 1.21 + 0.16)),
        (detector.ecal_sigma, 2.0, 100.0, 2.16 * np.sqrt(0.64 + 1.21 + 0.16)),
        (detector.ecal_sigma, 4.0, 100.0, np.sqrt(10.7**2 + 2.08**2 * 100)),
        (detector.hcal_sigma, 0.0, 100.0, np.sqrt(25 + 225)),
        (detector.hcal_sigma, -4.0, 100.0, np.sqrt(169 + 729)),
    ],
)
def test_energy_resolution_is_that_of_the_card(sigma, eta, energy, expected):
    np.testing.assert_allclose(sigma(np.array([eta]), np.array([energy])), expected)


def test_calorimeters_have_the_number_of_cells_of_the_card():
    assert ECAL.grid.n_cells == 2 * (170 * 360 + 11 * 36)
    assert HCAL.grid.n_cells == 2 * (19 * 72 + 19 * 36 + 2 * 18)


@pytest.mark.parametrize("grid", [ECAL.grid, HCAL.grid])
def test_a_cell_contains_the_directions_found_in_it(grid):
    rng = np.random.default_rng(0)
    eta, phi = rng.uniform(-4.99, 4.99, 5000), rng.uniform(-np.pi, np.pi, 5000)
    low_eta, eta_width, low_phi, phi_width = grid.bounds(grid.find(eta, phi))
    assert np.all((eta >= low_eta) & (eta <= low_eta + eta_width))
    assert np.all((phi >= low_phi - 1e-12) & (phi <= low_phi + phi_width + 1e-12))


@pytest.mark.parametrize("grid", [ECAL.grid, HCAL.grid])
def test_every_cell_is_found_at_its_center(grid):
    cells = np.arange(grid.n_cells)
    eta, eta_width, phi, phi_width = grid.bounds(cells)
    np.testing.assert_array_equal(grid.find(eta + eta_width / 2, phi + phi_width / 2), cells)


def test_directions_beyond_the_calorimeter_have_no_cell():
    eta, phi = np.array([-5.01, 5.0, 7.0]), np.zeros(3)
    np.testing.assert_array_equal(HCAL.grid.find(eta, phi), [-1, -1, -1])


def test_phi_is_periodic():
    eta = np.full(3, 0.5)
    at = ECAL.grid.find(eta, np.array([np.pi, -np.pi, 3 * np.pi]))
    assert len(set(at)) == 1


@pytest.mark.parametrize(
    ("pid", "ecal", "hcal"),
    [
        (22, 1, 0),
        (-11, 1, 0),
        (211, 0, 1),
        (-2112, 0, 1),
        (130, 0, 1),
        (310, 0.3, 0.7),
        (-3122, 0.3, 0.7),
        (13, 0, 0),
        (-14, 0, 0),
    ],
)
def test_energy_is_shared_between_the_calorimeters_by_particle(pid, ecal, hcal):
    code = np.array([pid])
    np.testing.assert_allclose(detector.ecal_fraction(code), ecal)
    np.testing.assert_allclose(detector.hcal_fraction(code), hcal)


def test_a_grid_refuses_edges_that_do_not_fit():
    with pytest.raises(ValueError, match="eta_edges"):
        CellGrid(np.array([0.0, 1.0]), np.array([4, 4]))
    with pytest.raises(ValueError, match="eta_edges"):
        CellGrid(np.array([1.0, 0.0]), np.array([4]))
