"""A stored pool of minimum-bias events and their mixing into a hard event.

Processes that simulate map the file of the pool into memory, so it is there once per node. Each
hard event receives a Poisson number of pool events, each turned by a random angle around the beam
and moved to a random vertex along it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.data.ragged import join_offsets, offsets_of, rows_of
from mlpf.detector import VERTEX_SIGMA_Z_MM, Floats, Ints
from mlpf.generation.simulation import RECORD, Particles, can_be_seen


@dataclass(frozen=True)
class Pool:
    """Events as flat records; event b is records offsets[b] to offsets[b + 1]."""

    records: NDArray[Any]  # shape (M,), dtype `simulation.RECORD`
    offsets: Ints  # shape (B + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def event(self, number: int) -> NDArray[Any]:
        """Return the records of one event."""
        return self.records[self.offsets[number] : self.offsets[number + 1]]

    def part(self, start: int, stop: int) -> Pool:
        """Return the events `start` to `stop` - 1."""
        offsets = self.offsets[start : stop + 1]
        return Pool(self.records[offsets[0] : offsets[-1]], offsets - offsets[0])

    def seen(self) -> Pool:
        """Return the events with only the particles that the detector can see."""
        keep = can_be_seen(self.records)
        return Pool(self.records[keep], offsets_of(keep)[self.offsets])

    def save(self, path: Path) -> None:
        """Write the records, then the offsets, as arrays of numpy, one file for both.

        The file appears under its name only when it is complete.
        """
        with replacing(path) as partial, partial.open("wb") as file:
            for array in (self.records, self.offsets):
                np.save(file, array, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Pool:
        """Map a pool that `save` wrote: its records are read where they are used.

        Raises:
            ValueError: the file is damaged or holds something else.
        """
        try:
            records = np.lib.format.open_memmap(path, mode="r")
            if records.dtype != RECORD:
                raise ValueError("its records are those of another version")
            with path.open("rb") as file:
                file.seek(records.offset + records.nbytes)
                offsets = np.load(file, allow_pickle=False)
            sizes = np.diff(offsets)
            if offsets[:1].tolist() != [0] or np.any(sizes < 0) or sizes.sum() != len(records):
                raise ValueError("its offsets do not fit")
        except (EOFError, ValueError, OSError) as error:
            raise ValueError(f"{path}: not a pool of events ({error}); delete it") from error
        return cls(records, offsets)


def join(parts: list[Pool]) -> Pool:
    """Return the events of all parts, at least one, as one pool."""
    records = np.concatenate([part.records for part in parts])
    return Pool(records, join_offsets([part.offsets for part in parts]))


@dataclass(frozen=True)
class Crossing:
    """A hard collision and the pile-up, P particles in all."""

    particles: Particles
    collision: Ints  # shape (P,), which collision each particle comes from; 0 is the hard one
    vertex_z: Floats  # shape (1 + number of pile-up collisions,), in mm


def mix(hard: NDArray[Any], pool: Pool | None, mean: float, rng: np.random.Generator) -> Crossing:
    """Return a hard event with pile-up, each interaction at its own vertex.

    Args:
        hard: records of the hard event, produced around the origin; it is not turned.
        pool: minimum-bias events to choose from; None only when `mean` is 0.
        mean: mean number of pile-up interactions; their number is Poisson distributed.
        rng: source of every random number.

    Raises:
        ValueError: `mean` is not 0 and there is no pool.
    """
    n_pileup = int(rng.poisson(mean))
    rows = sizes = np.zeros(0, dtype=np.int64)
    if n_pileup:
        if pool is None or not len(pool):
            raise ValueError(f"mean pile-up {mean} needs a pool of minimum-bias events")
        chosen = rng.integers(len(pool), size=n_pileup)
        rows, offsets = rows_of(pool.offsets, chosen)
        sizes = np.diff(offsets)
    pileup = pool.records[rows] if pool is not None else hard[:0]
    particles = Particles.from_records(np.concatenate([hard, pileup]))
    interaction = np.repeat(np.arange(n_pileup + 1), [len(hard), *sizes])
    angle = rng.uniform(-np.pi, np.pi, n_pileup + 1)
    angle[0] = 0.0
    vertex_z = rng.normal(0.0, VERTEX_SIGMA_Z_MM, n_pileup + 1)
    moved = _displaced(particles, angle[interaction], vertex_z[interaction])
    return Crossing(moved, interaction, vertex_z)


def _displaced(
    particles: Particles, angle: NDArray[np.float64], shift_z: NDArray[np.float64]
) -> Particles:
    cos, sin = np.cos(angle), np.sin(angle)
    return Particles(
        pid=particles.pid,
        charge=particles.charge,
        px=cos * particles.px - sin * particles.py,
        py=sin * particles.px + cos * particles.py,
        pz=particles.pz,
        energy=particles.energy,
        x=cos * particles.x - sin * particles.y,
        y=sin * particles.x + cos * particles.y,
        z=particles.z + shift_z,
    )
