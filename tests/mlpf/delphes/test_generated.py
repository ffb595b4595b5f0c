from __future__ import annotations

import numpy as np
import uproot

from mlpf.delphes.branches import BRANCHES, Objects
from mlpf.delphes.generated import describe
from mlpf.delphes.links import resolve
from mlpf.delphes.root import open_root


def chunk(**changed):
    """Two events; in the first a pion, a neutrino and, of pile-up, K0S, photon and neutron."""
    particles = {
        "fUniqueID": np.array([1, 2, 3, 4, 5, 9]),
        "PID": np.array([211, -12, 310, 22, 2112, 13]),
        "Charge": np.array([1, 0, 0, 0, 0, -999]),
        "PT": np.array([30.0, 30.0, 2.0, 1.0, 1.0, 5.0]),
        "Eta": np.array([0.0, 0.0, 0.0, 0.0, 0.0, 999.9]),
        "Phi": np.array([0.0, np.pi, 0.0, 0.0, 0.0, 0.0]),
        "E": np.array([30.0, 30.0, 2.0, 1.0, 1.0, 5.0]),
        "IsPU": np.array([0, 0, 1, 1, 2, 0]),
        "X": np.array([0.0, 0.0, 0.0, 0.1, 0.0, 0.00044]),
        "Y": np.zeros(6),
        "Z": np.array([1.0, 1.0, 7.0, 8.0, -3.0, 2.0]),
    }
    nothing = Objects(np.zeros(3, int), {})
    towers = {
        "Eem": np.array([1.0, 0.0, 0.0]),
        "Particles": np.array([3, 4, 1, 3]),
    }
    return dict.fromkeys(BRANCHES, nothing) | {
        "PileUpMix": Objects(np.array([0, 5, 6]), particles | changed),
        "Track": Objects(np.array([0, 1, 2]), {"Particle": np.array([1, 9])}),
        "Tower": Objects(np.array([0, 3, 3]), towers, np.array([2, 2, 0])),
    }


def known(**changed):
    events = chunk(**changed)
    return describe(events, resolve(events))


def test_the_hard_process_is_what_is_not_pile_up_neutrinos_included():
    generator = known()
    assert generator.pid.tolist() == [211, -12, 13]
    assert generator.offsets.tolist() == [0, 2, 3]
    assert generator.charge.tolist() == [1, 0, 0]
    assert generator.eta.tolist() == [0, 0, 20]
    assert generator.x.tolist() == [0, 0, 0]
    assert generator.z.tolist() == [1, 1, 2]
    assert generator.vertex.tolist() == [0, 0, 0]
    assert (generator.pt.dtype, generator.pid.dtype, generator.charge.dtype) == ("f4", "i4", "i1")


def test_missing_momentum_is_minus_that_of_the_visible_particles_of_the_hard_process():
    assert known().met_px.tolist() == [-30, -5]
    np.testing.assert_allclose(known(Phi=np.full(6, np.pi / 2)).met_py, [-30, -5])


def test_pile_up_collisions_are_counted_by_their_points_on_the_beam_line():
    assert known().n_pileup.tolist() == [2, 0]
    assert known(Z=np.full(6, 7.0)).n_pileup.tolist() == [1, 0]
    assert known(X=np.ones(6)).n_pileup.tolist() == [-1, 0]  # a wide beam: unknown


def test_the_share_of_pile_up_goes_by_the_energy_that_particles_leave_in_the_calorimeter():
    # ECAL: .3 of the K0S and the photon; HCAL: the pion and .7 of the K0S; a tower of nothing.
    expected = [0, 1, 1.4 / 31.4, 0, 0]
    np.testing.assert_allclose(known().pileup_share, expected, rtol=1e-6)


def test_without_the_branches_nothing_is_known():
    events = chunk()
    del events["PileUpMix"].columns["IsPU"]
    assert describe(events, resolve(events)) is None


def test_real_events_agree_with_what_delphes_computed(delphes_file):
    _, portions = open_root(delphes_file("pu20"))
    (events,) = portions
    generator = events.generator
    assert generator.n_pileup.tolist() == [17, 18, 21, 16, 25]
    px = generator.pt * np.cos(generator.phi)
    event = np.repeat(np.arange(5), np.diff(generator.offsets))
    invisible = np.bincount(event, np.where(generator.visible, 0, px), 5)
    np.testing.assert_allclose(generator.met_px, invisible, atol=1e-4)
    tower = uproot.open(delphes_file("pu20"))["Delphes"]["Tower.HardEnergyFraction"].array()
    is_tower = events.x[:, 0] == 1
    of_pileup = 1 - np.concatenate([np.asarray(values) for values in tower])
    np.testing.assert_allclose(generator.pileup_share[is_tower], of_pileup, atol=1e-6)
    assert set(np.unique(generator.pileup_share[~is_tower])) == {0, 1}
