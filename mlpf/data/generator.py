"""Generator information of each event: the hard process and the pile-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.ragged import Offsets, join_offsets, rows_of
from mlpf.schema import EVENT_COLUMNS, PARTICLE_COLUMNS

# Stable particles without charge and strong force: neutrinos, gravitons, dark matter, sneutrinos,
# the lightest neutralino, the gravitino, right-handed neutrinos.
_INVISIBLE: Final = (
    *(12, 14, 16, 18, 39, 51, 52, 53, 5000039, 9900012, 9900014, 9900016),
    *(1000012, 1000014, 1000016, 1000022, 1000039, 2000012, 2000014, 2000016),
)
_HIDDEN_VALLEY: Final = 49  # the first digits of seven


def is_visible(pid: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Tell which PDG codes are of particles that a detector can see, the same shape.

    >>> is_visible(np.array([211, 22, -12, 1000022])).tolist()
    [True, True, False, False]
    """
    code = np.abs(pid)
    seen: NDArray[np.bool_] = ~np.isin(code, _INVISIBLE) & (code // 100_000 != _HIDDEN_VALLEY)
    return seen


@dataclass(frozen=True)
class Generator:
    """Final-state particles of the hard process, true MET and pile-up of B events.

    The particles (P in all) are everything that is stable at the end of the hard process,
    at any eta, invisible ones included; pile-up particles are usually not among them.

    Args:
        pid: shape (P,) int32, PDG code.
        charge: shape (P,) int8, in units of the proton's.
        pt: shape (P,) float32, in GeV.
        eta: shape (P,) float32, pseudorapidity of the momentum, limited to -20 to 20.
        phi: shape (P,) float32, -pi to pi.
        energy: shape (P,) float32, in GeV.
        x: shape (P,) float32, production point in mm; z is along the beam.
        y: shape (P,) float32.
        z: shape (P,) float32.
        vertex: shape (P,) int32, number of the collision: 0 for the hard process.
        offsets: shape (B + 1,) int64; event b is rows offsets[b] to offsets[b + 1].
        met_px: shape (B,) float32, true missing momentum in GeV: the sum over the invisible
            particles of the hard process. All particles together have no transverse momentum, so
            it is minus the sum over the visible ones, at any eta.
        met_py: shape (B,) float32.
        n_pileup: shape (B,) int32, number of pile-up collisions; -1 if it is not known.
        pileup_share: shape (M,) float32, one for each detector element: the share of its energy
            that comes from particles of the pile-up, 0 to 1; 0 or 1 for a track.

    Raises:
        ValueError: the shapes do not fit together.

    >>> one = {name: np.ones(1) for name in ("charge", "pt", "eta", "phi", "energy", *"xyz")}
    >>> event = {name: np.zeros(1) for name in ("vertex", "met_px", "met_py", "n_pileup")}
    >>> generator = Generator(pid=np.array([12]), offsets=np.array([0, 1]),
    ...     pileup_share=np.zeros(4), **one, **event)
    >>> len(generator), generator.visible.tolist()
    (1, [False])
    """

    pid: NDArray[np.int32]
    charge: NDArray[np.int8]
    pt: NDArray[np.float32]
    eta: NDArray[np.float32]
    phi: NDArray[np.float32]
    energy: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    z: NDArray[np.float32]
    vertex: NDArray[np.int32]
    offsets: Offsets
    met_px: NDArray[np.float32]
    met_py: NDArray[np.float32]
    n_pileup: NDArray[np.int32]
    pileup_share: NDArray[np.float32]

    def __post_init__(self) -> None:
        n_particles = int(self.offsets[-1]) if len(self.offsets) else -1
        for names, n_rows in ((PARTICLE_COLUMNS, n_particles), (EVENT_COLUMNS, len(self))):
            for name in names:
                shape = getattr(self, name).shape
                if shape != (n_rows,):
                    raise ValueError(f"{name} has shape {shape}, by the offsets ({n_rows},)")

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1

    @property
    def visible(self) -> NDArray[np.bool_]:
        """True for particles that a detector can see, shape (P,)."""
        return is_visible(self.pid)

    def take(self, chosen: NDArray[np.int64], elements: NDArray[np.int64]) -> Generator:
        """Return the events `chosen`, in that order, whose detector elements are `elements`."""
        rows, offsets = rows_of(self.offsets, chosen)
        particles = {name: getattr(self, name)[rows] for name in PARTICLE_COLUMNS}
        events = {name: getattr(self, name)[chosen] for name in EVENT_COLUMNS}
        share = self.pileup_share[elements]
        return Generator(**particles, **events, offsets=offsets, pileup_share=share)


def join(parts: Sequence[Generator]) -> Generator:
    """Return the generator information of the events of all `parts`, at least one."""
    names = [field.name for field in fields(Generator) if field.name != "offsets"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Generator(**columns, offsets=join_offsets([part.offsets for part in parts]))
