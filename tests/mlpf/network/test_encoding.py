import math

import numpy as np
import pytest
import torch

from mlpf.detector import CHARGED_HADRON, ELECTRON, ecal_sigma, hcal_sigma
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
    """The features that an element has alone, and the positions; one event per element."""
    features, positions, _ = Encoder().double()(
        torch.tensor(rows, dtype=torch.float64), torch.arange(len(rows))
    )
    assert features.shape == (len(rows), N_ENCODED)
    return features[:, :24], positions


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


def test_the_features_of_zeros_are_finite():
    features, position, ratio = Encoder()(torch.zeros(2, N_X), torch.zeros(2, dtype=torch.int64))
    assert features.isfinite().all()
    assert position.isfinite().all()
    assert ratio.isfinite().all()


def sums_of(*rows, event=None):
    x = torch.tensor(rows, dtype=torch.float64)
    event = torch.zeros(len(x), dtype=torch.int64) if event is None else torch.tensor(event)
    return Encoder().double()(x, event)[0][:, 24:].numpy()


def at(kind, eta, phi, energy, *, ecal=False, electron=0, muon=0):
    """An element that meets the calorimeter at (eta, phi)."""
    angles = [eta, math.sin(phi), math.cos(phi)]
    pt = energy / math.cosh(eta)
    if kind == "track":
        return [2, pt, *angles, energy, *angles, -1, muon, electron]
    return [1, pt, *angles, energy, energy * ecal, energy * (not ecal), 0, 0, 0, 0]


def test_a_tower_knows_the_tracks_that_explain_it():
    rows = [
        at("tower", 0.60, 1.0, 12.0),
        at("tower", 0.60, 1.0, 5.0, ecal=True),
        at("track", 0.60, 1.02, 8.0),
        at("track", 0.60, 1.0, 2.0),
        at("track", 0.60, 1.0, 3.0, muon=1),
        at("track", 0.60, 1.0, 4.0, electron=1),
        at("tower", -0.60, 1.0, 7.0),  # another cell
    ]
    hadrons, electrons = hcal_figures(12.0, [8.0, 2.0]), ecal_figures(5.0, 4.0)
    energies = [math.log1p(5.0) / 2, math.log1p(12.0) / 2]
    expected = [
        [*hadrons, *energies],
        [*electrons, *energies],
        [*hadrons, *energies],
        [*hadrons, *energies],
        [*hadrons, *energies],
        [*electrons, *energies],
        [*hcal_figures(7.0, []), 0, math.log1p(7.0) / 2],
    ]
    np.testing.assert_allclose(sums_of(*rows), expected, rtol=1e-4, atol=1e-6)


def hcal_figures(energy, tracks):
    return figures(energy, tracks, CHARGED_HADRON, hcal_sigma(np.array(0.6), np.array(energy)))


def ecal_figures(energy, track):
    return figures(energy, [track], ELECTRON, ecal_sigma(np.array(0.6), np.array(energy)))


def figures(energy, tracks, model, sigma):
    """The features 24 to 28 by the formulas."""
    p, momentum = np.array(tracks), sum(tracks)
    variance = ((p * model.resolution_at(p / math.cosh(0.6), np.full(p.shape, 0.6))) ** 2).sum()
    excess, total = energy - momentum, variance + sigma**2
    change = excess * variance / total / momentum if tracks else 0
    number, significance = math.log1p(len(tracks)), excess / total**0.5 / 4
    signed = math.log1p(excess) / 2
    return [math.log1p(momentum) / 2, number, significance, signed, change]


def test_energy_without_tracks_and_tracks_without_energy_are_bounded():
    alone = sums_of(at("track", 0.6, 1.0, 100.0), at("tower", -0.6, 1.0, 1e4))
    assert alone[0, 2] == pytest.approx(-1 / math.hypot(0.1, 0.17 / math.cosh(0.6)) / 4)
    assert alone[1, 2] == 2.5
    assert alone[:, 4].tolist() == [0, 0]
    assert np.abs(alone).max() < 10


def test_events_do_not_share_cells_and_the_order_does_not_matter():
    rng = np.random.default_rng(0)
    rows = [at(rng.choice(["track", "tower"]), 0.6, 1.0, e) for e in rng.uniform(1, 9, 8)]
    event = [0, 0, 0, 1, 1, 1, 1, 1]
    together = sums_of(*rows, event=event)
    np.testing.assert_allclose(together[:3], sums_of(*rows[:3]))
    np.testing.assert_allclose(together[3:], sums_of(*rows[3:]))
    np.testing.assert_allclose(sums_of(*rows[::-1])[::-1], sums_of(*rows), rtol=1e-12)


def ratios_of(*rows):
    x = torch.tensor(rows, dtype=torch.float64)
    return Encoder().double()(x, torch.zeros(len(x), dtype=torch.int64))[2].tolist()


def test_a_tower_starts_with_what_the_tracks_leave_of_it():
    tower, track = at("tower", 0.6, 1.0, 40.0), at("track", 0.6, 1.0, 10.0)
    assert ratios_of(tower, track) == pytest.approx([0.75, 1.0])  # 2.9 standard deviations
    assert ratios_of(tower, at("track", 0.6, 1.0, 10.0, muon=1)) == [1.0, 1.0]
    assert ratios_of(tower, at("track", 0.6, 1.0, 80.0))[0] == 0.1


def test_a_track_that_explains_its_cell_starts_with_the_mean_of_both_measurements():
    tower, track = at("tower", 0.6, 1.0, 40.0), at("track", 0.6, 1.0, 35.0)
    pt = 35.0 / math.cosh(0.6)
    of_track = (35.0 * CHARGED_HADRON.resolution_at(np.array(pt), np.array(0.6))) ** -2
    of_tower = hcal_sigma(np.array(0.6), np.array(40.0)) ** -2
    mean = (35.0 * of_track + 40.0 * of_tower) / (of_track + of_tower)
    found = ratios_of(tower, track, at("track", 0.6, 1.0, 3.0, muon=1))
    assert found == pytest.approx([5 / 40, mean / 35, 1.0], rel=1e-5)
