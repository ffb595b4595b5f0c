import math

import numpy as np
import torch

from mlpf.detector import HCAL
from mlpf.network.encoding import N_ENCODED, Encoder
from mlpf.schema import N_X

S, C = math.sin(1.0), math.cos(1.0)
FACE = [0.8, math.sin(1.1), math.cos(1.1)]
TRACK = [2, math.e, 0.6, S, C, math.e**2, *FACE, -1, 0, 1]
TOWER = [1, math.e, 0.6, S, C, 3.0, 2.0, 1.0, 0, 0, 0, 0]
# The HCAL ring from 0.783 to 0.870 and the 72 slices of phi around 1.1, and so for the tower.
STEP = 2 * math.pi / 72
TRACK_CENTRE = 9.5 * 0.087, 12.5 * STEP
TOWER_CENTRE = 6.5 * 0.087, 11.5 * STEP


def encoded(*rows):
    return Encoder().double()(torch.tensor(rows, dtype=torch.float64))


def test_a_track_is_encoded_as_documented():
    features, _ = encoded(TRACK)
    energy = [math.e / 4, math.e**2 / 20]
    bend = [0.2, math.sin(0.1), math.cos(0.1)]
    offsets = [(0.8 - TRACK_CENTRE[0]) * 10, math.sin(1.1 - TRACK_CENTRE[1]) * 10]
    expected = [
        0,
        1,
        1,
        1,
        0.3,
        S,
        C,
        0.4,
        *FACE[1:],
        0,
        0,
        0,
        0,
        *bend,
        -1,
        0,
        1,
        *energy,
        *offsets,
    ]
    np.testing.assert_allclose(features[0], expected, atol=2e-6, rtol=1e-6)
    assert features.shape == (1, N_ENCODED)


def test_a_tower_is_encoded_as_documented():
    features, _ = encoded(TOWER)
    log_e = math.log(3) / 2
    own = [1, 0, 1, log_e, 0.3, S, C, 0.3, S, C]
    deposits = [log_e, math.log(2) / 2, 2 / 3, 1 / 3]
    offsets = [(0.6 - TOWER_CENTRE[0]) * 10, math.sin(1.0 - TOWER_CENTRE[1]) * 10]
    expected = [*own, *deposits, 0, 0, 1, 0, 0, 0, 3**0.5 / 4, 0.15, *offsets]
    np.testing.assert_allclose(features[0], expected, atol=2e-6, rtol=1e-6)


def test_the_position_is_the_center_of_the_cell_at_the_calorimeter_face():
    _, positions = encoded(TRACK, TOWER)
    for position, (eta, phi) in zip(positions, (TRACK_CENTRE, TOWER_CENTRE), strict=True):
        expected = [eta, math.sin(phi), math.cos(phi)]
        np.testing.assert_allclose(position, expected, atol=1e-6)


def test_a_track_and_the_towers_that_it_hits_are_at_one_place():
    tower = [1, 5, FACE[0] + 0.03, math.sin(1.12), math.cos(1.12), 6, 6, 0, 0, 0, 0, 0]
    _, (track, hit) = encoded(TRACK, tower)
    assert torch.equal(track, hit)


def test_the_cells_are_those_of_the_simulation():
    rng = np.random.default_rng(0)
    eta, phi = rng.uniform(-4.99, 4.99, 5000), rng.uniform(-math.pi, math.pi, 5000)
    eta0, d_eta, phi0, d_phi = HCAL.grid.bounds(HCAL.grid.find(eta, phi))
    got = Encoder().double().cell_centers(torch.tensor(eta), torch.tensor(phi))
    np.testing.assert_allclose(got[0], eta0 + d_eta / 2, atol=1e-6)
    np.testing.assert_allclose(got[1], phi0 + d_phi / 2, atol=1e-6)


def test_outside_of_the_grid_and_at_its_seam_the_position_stays_near_the_element():
    eta = torch.tensor([-7.0, 5.5, 0.1, 0.1])
    phi = torch.tensor([1.0, -1.0, math.pi, -math.pi])
    center_eta, center_phi = Encoder().cell_centers(eta, phi)
    assert center_eta[:2].tolist() == [-7.0, 5.5]
    assert center_phi[:2].tolist() == [1.0, -1.0]
    assert (phi - center_phi)[2:].abs().max() <= STEP / 2 + 1e-6


def test_the_features_of_zeros_are_finite():
    features, position = Encoder()(torch.zeros(2, N_X))
    assert features.isfinite().all()
    assert position.isfinite().all()
