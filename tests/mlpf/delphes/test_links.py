from __future__ import annotations

import numpy as np
import pytest

from mlpf.delphes.branches import Objects
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.links import find, resolve


def chunk(numbers=(300, 7, 305, 305), tracks=(305, 305), links=(7, 300, 7)):
    """Two events: 3 + 1 particles, 1 + 1 tracks, 2 + 0 towers with 2 + 1 links."""
    return {
        "PileUpMix": Objects(np.array([0, 3, 4]), {"fUniqueID": np.array(numbers)}),
        "Track": Objects(np.array([0, 1, 2]), {"Particle": np.array(tracks)}),
        "Tower": Objects(
            np.array([0, 2, 2]), {"Particles": np.array(links)}, n_links=np.array([2, 1])
        ),
    }


def test_a_link_is_the_number_of_a_particle_of_the_same_event_not_its_place():
    links = resolve(chunk())
    assert links.of_tracks.tolist() == [2, 3]
    assert links.of_towers.tolist() == [1, 0, 1]  # a particle may be in two towers
    assert links.tower.tolist() == [0, 0, 1]


def test_events_without_any_object_have_no_links():
    nothing = Objects(np.zeros(3, int), {"fUniqueID": np.zeros(0, int)})
    empty = {"Particle": np.zeros(0, int), "Particles": np.zeros(0, int)}
    objects = Objects(np.zeros(3, int), empty, np.zeros(0, int))
    links = resolve({"PileUpMix": nothing, "Track": objects, "Tower": objects})
    assert (len(links.of_tracks), len(links.of_towers), len(links.tower)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tracks": (305, 7)}, "event 11: Track has the particle 7, PileUpMix does not"),
        ({"links": (7, 300, 8)}, "event 10: Tower has the particle 8, PileUpMix does not"),
        ({"numbers": (7, 7, 305, 305)}, "event 10: two particles have the same PileUpMix.fUni"),
    ],
)
def test_links_that_lead_nowhere_or_to_two_particles_are_damage(changed, message):
    with pytest.raises(DamagedFile, match=f"^{message}"):
        resolve(chunk(**changed), first_event=10)


def test_the_first_of_equal_numbers_is_found():
    assert find(np.array([5, 3, 5, 9]), np.array([9, 5, 4, 10])).tolist() == [3, 0, -1, -1]
    assert find(np.zeros(0, int), np.array([1, 2])).tolist() == [-1, -1]
