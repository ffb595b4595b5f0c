from __future__ import annotations

import numpy as np
import pytest

from mlpf.delphes.branches import BRANCHES, Objects
from mlpf.delphes.labels import label
from mlpf.delphes.links import resolve
from mlpf.schema import X_COLUMNS, Y_COLUMNS

TYPES = {"Particle": np.int64, "fUniqueID": np.int64, "PID": np.int32, "Charge": np.int32}


def objects(name, rows, n_links=None, offsets=None):
    """Make objects of one event of dictionaries; what they lack is 0."""
    columns = {
        field: np.array([row.get(field, 0) for row in rows], TYPES.get(field, np.float32))
        for field in BRANCHES[name]
        if field != "Particles"
    }
    if name == "Tower":
        links = [row.get("Particles", ()) for row in rows]
        columns["Particles"] = np.array([number for row in links for number in row], np.int64)
        n_links = np.array([len(row) for row in links], np.int64)
    return Objects(np.array([0, len(rows)] if offsets is None else offsets), columns, n_links)


def particle(number, pid, energy, eta=0.0, phi=0.0, charge=0):
    kinematics = {"PT": energy / np.cosh(eta), "Eta": eta, "Phi": phi, "E": energy}
    return {"fUniqueID": number, "PID": pid, "Charge": charge, **kinematics}


def event(particles, tracks=(), towers=(), **candidates):
    chunk = {name: objects(name, candidates.get(name, ())) for name in BRANCHES}
    chunk |= {
        "PileUpMix": objects("PileUpMix", particles),
        "Track": objects("Track", tracks),
        "Tower": objects("Tower", towers),
    }
    return label(chunk, resolve(chunk))


def y(**values):
    return [values.get(name, 0.0) for name in Y_COLUMNS]


def test_a_track_has_the_particle_it_is_linked_to_and_its_published_charge():
    events = event(
        [particle(20, 13, 50.0, eta=1.0, charge=-1), particle(10, -11, 3.0, phi=np.pi / 2)],
        tracks=[
            {"PT": 30.0, "Eta": 1.0, "Charge": -1, "EtaOuter": 1.1, "Particle": 20},
            {"PT": 3.1, "Phi": np.pi / 2, "Charge": 1, "Particle": 10},
        ],
        PFMuon=[{"PT": 31.0, "Eta": 1.01, "Charge": -1, "Particle": 20}],
    )
    x = [dict(zip(X_COLUMNS, row, strict=True)) for row in events.x.tolist()]
    assert [row["type"] for row in x] == [2, 2]
    assert x[0]["energy"] == pytest.approx(30 * np.cosh(1.0))
    assert [(row["is_gen_muon"], row["is_gen_electron"]) for row in x] == [(1, 0), (0, 1)]
    pt = 50 / np.cosh(1.0)
    np.testing.assert_allclose(
        events.ygen[0], y(pid=5, charge=1, pt=pt, eta=1.0, cos_phi=1.0, energy=50.0), rtol=1e-6
    )
    assert events.ygen[1, :2].tolist() == [4, -1]
    np.testing.assert_allclose(
        events.ycand,
        [y(pid=5, charge=-1, pt=31.0, eta=1.01, cos_phi=1.0), y()],
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("particles", "pid", "charge"),
    [
        ([(130, 10, 0), (22, 10, 0)], 2, 0),  # a tie goes to the first of the four kinds
        ([(130, 10, 0), (22, 4, 0), (22, 7, 0)], 3, 0),  # kinds are summed
        ([(-211, 10, -1), (22, 9, 0)], 1, 1),  # the published charge of a tower is never negative
        ([(2112, 10, 0), (3112, 11, -1)], 1, 1),  # other codes go by their charge
        ([(310, 12, 0), (11, 11, -1)], 2, 0),
        ([(11, 12, -1), (22, 11, 0)], 4, 1),
        ([(130, 8.9, 0)], 0, 0),
        ([(130, 4, 0), (22, 3, 0), (22, 0.9, 0)], 0, 0),  # 9 GeV in all, not of neutral hadrons
        ([(130, 5, 0), (22, 4.5, 0)], 2, 0),
        ([(22, 0.5, 0)], 3, 0),
        ([], 0, 0),
    ],
)
def test_a_tower_is_of_the_kind_with_the_largest_sum(particles, pid, charge):
    known = [particle(i, p, e, charge=c) for i, (p, e, c) in enumerate(particles)]
    events = event(known, towers=[{"ET": 9.0, "E": 9.0, "Particles": range(len(known))}])
    total = sum(e for _, e, _ in particles) if pid else 0
    expected = y(pid=pid, charge=charge, pt=total, cos_phi=bool(pid), energy=total)
    np.testing.assert_allclose(events.ygen, [expected], rtol=1e-6)


def test_charged_hadrons_beyond_the_tracker_are_neutral_by_the_direction_of_the_sum():
    for eta, pid, charge in ((2.499, 1, 1), (2.501, 2, 0)):
        hadrons = [particle(1, 211, 20.0, eta), particle(2, 22, 1.0, eta)]
        events = event(hadrons, towers=[{"Particles": [1, 2]}])
        assert events.ygen[0, :2].tolist() == [pid, charge]
        assert events.ygen[0, 3] == pytest.approx(eta, rel=1e-5)


def test_particles_with_a_track_do_not_count_in_towers_and_those_in_two_towers_count_twice():
    events = event(
        [particle(1, 211, 50.0, charge=1), particle(2, 310, 20.0, phi=1.0), particle(3, 22, 3.0)],
        tracks=[{"Particle": 1}],
        towers=[{"Particles": [1, 2]}, {"Particles": [2, 1, 3]}, {"Particles": [1]}],
    )
    assert events.ygen[:, 0].tolist() == [1, 2, 2, 0]
    assert events.ygen[1:, 6].tolist() == [20.0, 23.0, 0.0]
    both = np.array([20 * np.cos(1.0) + 3, 20 * np.sin(1.0)])
    assert events.ygen[2, 2] == pytest.approx(np.hypot(*both), rel=1e-6)
    np.testing.assert_allclose(events.ygen[2, 4:6], both[::-1] / np.hypot(*both), rtol=1e-6)


def test_a_tower_has_the_neutral_candidate_of_exactly_its_direction():
    towers = [{"Eta": 1.5, "Phi": 0.5}, {"Eta": 1.5, "Phi": 0.25}, {"Eta": -0.0, "Phi": 0.5}]
    events = event(
        [],
        towers=towers,
        PFPhoton=[{"Eta": 1.5, "Phi": 0.25, "E": 3.0}, {"Eta": 1.5, "Phi": 0.26, "E": 4.0}],
        PFNeutralHadron=[{"Eta": 0.0, "Phi": 0.5, "E": 9.0}],
    )
    photon = y(pid=3, eta=1.5, sin_phi=np.sin(0.25), cos_phi=np.cos(0.25), energy=3.0)
    hadron = y(pid=2, sin_phi=np.sin(0.5), cos_phi=np.cos(0.5), energy=9.0)
    np.testing.assert_allclose(events.ycand, [y(), photon, hadron], rtol=1e-6)
    assert events.x[:, 8:].any() == False  # noqa: E712


def test_tracks_come_before_towers_in_each_event_and_an_event_may_have_none():
    chunk = {name: objects(name, (), offsets=np.zeros(4, int)) for name in BRANCHES}
    chunk["PileUpMix"] = objects(
        "PileUpMix", [particle(1, 211, 5.0), particle(1, 22, 6.0)], offsets=np.array([0, 1, 1, 2])
    )
    chunk["Track"] = objects(
        "Track", [{"PT": 1.0, "Particle": 1}, {"PT": 2.0, "Particle": 1}], None, [0, 1, 1, 2]
    )
    towers = [{"ET": 3.0, "Particles": [1]}, {"ET": 4.0}]
    chunk["Tower"] = objects("Tower", towers, None, [0, 2, 2, 2])
    events = label(chunk, resolve(chunk))
    assert events.offsets.tolist() == [0, 3, 3, 4]
    assert events.x[:, :2].tolist() == [[2, 1], [1, 3], [1, 4], [2, 2]]
    assert events.ygen[:, 0].tolist() == [1, 0, 0, 3]
