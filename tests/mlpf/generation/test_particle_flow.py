"""Truth of the elements, rule-based candidates, and the rows of an event."""

import numpy as np
import pytest

from mlpf import detector
from mlpf.generation.particle_flow import (
    energy_flow,
    pileup_share,
    simulate_event,
    tower_truth,
)
from mlpf.generation.pileup import Crossing
from mlpf.generation.simulation import RECORD, Cells, Particles, Tracks
from mlpf.schema import N_X, N_Y, ElementType, Particle


def particles(*rows):
    """One particle per row (pid, charge, energy, eta), massless, along phi = 0."""
    records = np.zeros(len(rows), dtype=RECORD)
    for record, (pid, charge, energy, eta) in zip(records, rows, strict=True):
        record["pid"], record["charge"], record["energy"] = pid, charge, energy
        record["px"], record["pz"] = energy / np.cosh(eta), energy * np.tanh(eta)
    return Particles.from_records(records)


def only_hard(made):
    return Crossing(made, np.zeros(len(made), dtype=np.int64), np.zeros(1))


def cells(energy, of_particle, sigma=1.0):
    zeros = np.zeros(len(energy))
    return Cells(
        np.asarray(energy, dtype=float),
        zeros + sigma,
        zeros,
        zeros,
        np.asarray(of_particle, dtype=np.int64),
    )


def tracks(energy, resolution=0.1):
    zeros = np.zeros(len(energy))
    pt = np.asarray(energy, dtype=float)
    index = np.arange(len(energy))
    return Tracks(index, zeros + 1, pt, zeros, zeros, zeros, zeros, zeros + resolution, mass=zeros)


def truth(made, tracked, ecal, hcal, count_once=True):
    return tower_truth(made, np.asarray(tracked, bool), ecal, hcal, count_once=count_once)


def test_a_tower_is_the_sum_of_its_untracked_particles():
    made = particles((22, 0, 3.0, 0.1), (22, 0, 4.0, 0.1), (11, -1, 50.0, 0.1))
    rows = truth(made, [0, 0, 1], cells([57.0], [0, 0, 0]), cells([], [-1, -1, -1]))
    np.testing.assert_allclose(
        rows, [[Particle.PHOTON, 0, 7 / np.cosh(0.1), 0.1, 0, 1, 7.0]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(22, 0, 3.0, 0), (130, 0, 20.0, 0)], Particle.NEUTRAL_HADRON),
        ([(22, 0, 30.0, 0), (130, 0, 20.0, 0)], Particle.PHOTON),
        ([(22, 0, 3.0, 0), (-211, -1, 4.0, 0)], Particle.CHARGED_HADRON),
        ([(11, -1, 3.0, 0), (22, 0, 2.0, 0)], Particle.ELECTRON),
        ([(2112, 0, 6.0, 0), (3122, 0, 6.0, 0), (22, 0, 11.0, 0)], Particle.NEUTRAL_HADRON),
    ],
)
def test_the_class_is_the_kind_with_most_energy(rows, expected):
    n = len(rows)
    labels = truth(particles(*rows), [0] * n, cells([50.0], [0] * n), cells([], [-1] * n))
    assert labels[0, 0] == expected
    np.testing.assert_allclose(labels[0, 6], sum(row[2] for row in rows))


def test_a_charged_hadron_beyond_the_tracker_counts_as_neutral():
    made = particles((211, 1, 20.0, 2.6), (211, 1, 20.0, 2.4))
    labels = truth(made, [0, 0], cells([], [-1, -1]), cells([20.0, 20.0], [0, 1]))
    np.testing.assert_array_equal(labels[:, 0], [Particle.NEUTRAL_HADRON, Particle.CHARGED_HADRON])
    np.testing.assert_array_equal(labels[:, 1], [0, 1])


def test_soft_neutral_hadrons_are_nothing():
    made = particles((130, 0, 8.9, 0), (130, 0, 9.1, 0), (211, 1, 8.9, 2.6))
    labels = truth(made, [0, 0, 0], cells([], [-1] * 3), cells([9.0, 9.0, 9.0], [0, 1, 2]))
    np.testing.assert_array_equal(labels[:, 0], [0, Particle.NEUTRAL_HADRON, 0])
    np.testing.assert_array_equal(labels[0], np.zeros(N_Y))


def test_a_tower_with_tracked_particles_only_is_nothing():
    labels = truth(particles((211, 1, 20.0, 0)), [1], cells([], [-1]), cells([20.0], [0]))
    np.testing.assert_array_equal(labels, np.zeros((1, N_Y)))


def test_the_charge_of_a_tower_is_that_of_its_leading_charged_particle():
    made = particles((211, 1, 10.0, 0), (-211, -1, 12.0, 0), (11, -1, 5.0, 0))
    labels = truth(made, [0, 0, 0], cells([5.0], [-1, -1, 0]), cells([22.0], [0, 0, -1]))
    np.testing.assert_array_equal(labels[:, 0], [Particle.ELECTRON, Particle.CHARGED_HADRON])
    np.testing.assert_array_equal(labels[:, 1], [-1, -1])


def test_a_kaon_in_two_towers_counts_once_unless_asked():
    made = particles((310, 0, 30.0, 0))
    ecal, hcal = cells([9.0], [0]), cells([21.0], [0])
    np.testing.assert_array_equal(truth(made, [0], ecal, hcal)[:, 6], [0, 30])
    twice = truth(made, [0], ecal, hcal, count_once=False)
    np.testing.assert_array_equal(twice[:, 6], [30, 30])


def test_a_kaon_whose_larger_share_is_below_threshold_counts_in_the_other_tower():
    labels = truth(particles((310, 0, 30.0, 0)), [0], cells([9.0], [0]), cells([0.0], [0]))
    np.testing.assert_array_equal(labels[:, 6], [30])


def test_a_cell_without_tracks_is_a_neutral_particle():
    excess, scale = energy_flow(detector.ECAL, cells([5.0], []), tracks([]))
    np.testing.assert_array_equal(excess, [5.0])
    assert len(scale) == 0


def test_a_significant_excess_leaves_the_tracks_alone():
    excess, scale = energy_flow(detector.HCAL, cells([30.0], [0]), tracks([10.0]))
    np.testing.assert_allclose(excess, [20.0])
    np.testing.assert_array_equal(scale, [1.0])


def test_an_insignificant_excess_is_averaged_into_the_tracks():
    # 10 +- 1 and 12 +- 2 GeV: weights 1 and 1/4, mean 10.4
    excess, scale = energy_flow(detector.HCAL, cells([12.0], [0], sigma=2.0), tracks([10.0]))
    np.testing.assert_array_equal(excess, [0.0])
    np.testing.assert_allclose(scale, [1.04])


def test_tracks_of_one_cell_are_scaled_together():
    measured = cells([9.0], [0, 0], sigma=1.0)
    excess, scale = energy_flow(detector.HCAL, measured, tracks([6.0, 8.0]))
    np.testing.assert_allclose(scale, [scale[0], scale[0]])
    # 14 +- 1 and 9 +- 1: mean 11.5
    np.testing.assert_allclose(scale[0] * 14.0, 11.5)
    assert excess[0] == 0


def test_a_track_without_a_cell_keeps_its_momentum():
    _, scale = energy_flow(detector.ECAL, cells([], [-1]), tracks([10.0]))
    np.testing.assert_array_equal(scale, [1.0])


@pytest.fixture(scope="module")
def event():
    rng = np.random.default_rng(8)
    n = 3000
    pid = rng.choice([211, -211, 22, 130, 310, 11, -11, 13, -13, 2112], n)
    charge = np.select([np.isin(pid, (211, -11, -13)), np.isin(pid, (-211, 11, 13))], [1, -1], 0)
    rows = zip(pid, charge, rng.exponential(20, n) + 0.2, rng.uniform(-5, 5, n), strict=True)
    made, share = simulate_event(only_hard(particles(*rows)), rng)
    assert share.shape == (len(made.x),)
    assert not share.any()
    return made


def test_an_event_has_tracks_first_then_ecal_then_hcal_towers(event):
    kind = np.where(event.x[:, 0] == ElementType.TRACK, 0, np.where(event.x[:, 6] > 0, 1, 2))
    assert set(kind) == {0, 1, 2}
    assert np.all(np.diff(kind) >= 0)
    assert event.x.shape[1] == N_X
    assert event.ygen.shape == event.ycand.shape == (len(event.x), N_Y)
    assert event.x.dtype == event.ygen.dtype == event.ycand.dtype == np.float32


def test_every_track_has_the_truth_of_its_particle(event):
    is_track = event.x[:, 0] == ElementType.TRACK
    x, ygen, ycand = event.x[is_track], event.ygen[is_track], event.ycand[is_track]
    expected = np.where(x[:, 10] == 1, Particle.MUON, Particle.CHARGED_HADRON)
    expected = np.where(x[:, 11] == 1, Particle.ELECTRON, expected)
    np.testing.assert_array_equal(ygen[:, 0], expected)
    np.testing.assert_array_equal(ycand[:, 0], expected)
    np.testing.assert_array_equal(ygen[:, 1], x[:, 9])
    assert set(x[:, 9]) == {-1, 1}


def test_candidates_and_truth_are_complete_four_vectors(event):
    for labels in (event.ygen, event.ycand):
        real = labels[labels[:, 0] > 0].astype(np.float64)
        assert np.all(real[:, 2] > 0)
        momentum = real[:, 2] * np.cosh(real[:, 3])
        assert np.all(real[:, 6] >= momentum * (1 - 1e-5))
        np.testing.assert_allclose(np.hypot(real[:, 4], real[:, 5]), 1, rtol=1e-5)
        np.testing.assert_array_equal(labels[labels[:, 0] == 0], 0)


def test_towers_hold_their_energy_in_one_calorimeter(event):
    towers = event.x[event.x[:, 0] == ElementType.TOWER]
    np.testing.assert_allclose(towers[:, 6] + towers[:, 7], towers[:, 5])
    assert np.all(towers[:, 6] * towers[:, 7] == 0)
    np.testing.assert_allclose(towers[:, 1] * np.cosh(towers[:, 2]), towers[:, 5], rtol=1e-5)
    np.testing.assert_array_equal(towers[:, 8:], 0)


def test_a_tower_candidate_lies_at_its_tower_and_holds_no_more_energy(event):
    chosen = (event.x[:, 0] == ElementType.TOWER) & (event.ycand[:, 0] > 0)
    towers, found = event.x[chosen], event.ycand[chosen]
    np.testing.assert_array_equal(found[:, 3:6], towers[:, 2:5])
    assert np.all(found[:, 6] <= towers[:, 5])
    expected = np.where(towers[:, 6] > 0, Particle.PHOTON, Particle.NEUTRAL_HADRON)
    np.testing.assert_array_equal(found[:, 0], expected)


def test_an_event_without_particles_is_empty():
    empty, share = simulate_event(only_hard(particles()), np.random.default_rng(0))
    assert share.shape == (0,)
    assert empty.x.shape == (0, N_X)
    assert empty.ygen.shape == empty.ycand.shape == (0, N_Y)


def test_the_share_of_pile_up_is_that_of_the_deposits_in_a_tower():
    seen = cells([5.0, 0.0, 9.0], [0, 2, 2, 1, -1, 0])  # the second cell is below threshold
    deposit = np.array([3.0, 2, 6, 1, 7, 1])
    is_pileup = np.array([False, True, False, True, True, True])
    np.testing.assert_allclose(pileup_share(seen, deposit, is_pileup), [1 / 4, 2 / 8])


def test_pile_up_is_told_for_tracks_and_towers():
    hard, pileup = (211, 1, 50.0, 0.5), (211, 1, 40.0, -1.5)
    made = particles(hard, hard, pileup, pileup)
    crossing = Crossing(made, np.array([0, 0, 1, 2]), np.zeros(3))
    event, share = simulate_event(crossing, np.random.default_rng(1))
    assert share.dtype == np.float32
    assert set(event.x[:, 0]) == {ElementType.TRACK, ElementType.TOWER}
    np.testing.assert_array_equal(share, event.x[:, 2] < 0)
