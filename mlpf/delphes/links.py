"""Links of tracks and towers to particles in a Delphes file.

A link holds the number of a particle (`fUniqueID`), not its place: numbers begin anywhere, have
gaps, and are unique within an event only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf.delphes.branches import NUMBER_BITS, Chunk
from mlpf.delphes.damage import DamagedFile
from mlpf.detector import Ints


@dataclass(frozen=True)
class Links:
    """Particles of the tracks and towers of a chunk, by their row in `PileUpMix`.

    Args:
        of_tracks: shape (T,), the particle of each track.
        of_towers: shape (L,), the particles of each tower, tower by tower.
        tower: shape (L,), the tower of each of them.
    """

    of_tracks: Ints
    of_towers: Ints
    tower: Ints


def resolve(chunk: Chunk, first_event: int = 0) -> Links:
    """Return the particles behind the links of a chunk.

    Args:
        chunk: the branches `mlpf.delphes.branches.BRANCHES`.
        first_event: number of the chunk's first event in its file, for messages.

    Raises:
        DamagedFile: a link leads to no particle of its event, or two particles have one number.
    """
    particles, tracks, towers = (chunk[name] for name in ("PileUpMix", "Track", "Tower"))
    known = key(particles.event, particles["fUniqueID"])
    order = np.argsort(known, kind="stable")
    twice = np.flatnonzero(np.diff(known[order]) == 0)
    if len(twice):
        event = first_event + particles.event[order[twice[0]]]
        raise DamagedFile(f"event {event}: two particles have the same PileUpMix.fUniqueID")
    tower = np.repeat(np.arange(len(towers)), towers.n_links)

    def rows(name: str, event: Ints, number: Ints) -> Ints:
        found = find(known, key(event, number))
        lost = np.flatnonzero(found < 0)
        if len(lost):
            raise DamagedFile(
                f"event {first_event + event[lost[0]]}: {name} has the particle "
                f"{number[lost[0]]}, PileUpMix does not"
            )
        return found

    return Links(
        of_tracks=rows("Track", tracks.event, tracks["Particle"]),
        of_towers=rows("Tower", towers.event[tower], towers["Particles"]),
        tower=tower,
    )


def key(event: Ints, number: Ints) -> Ints:
    """Return a number for each particle `number` of an event, equal for the same particle."""
    return event << NUMBER_BITS | number


def find(known: Ints, wanted: Ints) -> Ints:
    """Return the first place of each of `wanted` in `known`, -1 where it is not.

    >>> find(np.array([7, 3, 7]), np.array([7, 5])).tolist()
    [0, -1]
    """
    if not len(known):
        return np.full(len(wanted), -1)
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known, wanted, sorter=order)
    rows = order[np.minimum(place, len(known) - 1)]
    return np.where(known[rows] == wanted, rows, -1)
