"""Particle candidates of a set of events, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpf.data.ragged import offsets_of
from mlpf.schema import Particle


@dataclass(frozen=True)
class Candidates:
    """Particle candidates of a set of events; P of them in B events.

    Args:
        pid: shape (P,) int64, the class, 1 to 5 as in `mlpf.Particle`.
        charge: shape (P,) int64, -1, 0 or 1.
        pt: shape (P,) float32, transverse momentum in GeV.
        eta: shape (P,) float32, pseudorapidity.
        phi: shape (P,) float32, azimuth in [-pi, pi].
        energy: shape (P,) float32, in GeV.
        offsets: shape (B + 1,) int64; event b has candidates offsets[b] to offsets[b + 1].

    >>> labels = np.array([[3, 0, 2.0, 0.5, 0.0, 1.0, 2.3], [0, 0, 0, 0, 0, 0, 0]])
    >>> photon = Candidates.from_labels(labels, np.array([0, 2]))
    >>> photon.pid.tolist(), photon.pt.tolist(), photon.phi.tolist(), len(photon)
    ([3], [2.0], [0.0], 1)
    """

    pid: NDArray[np.int64]
    charge: NDArray[np.int64]
    pt: NDArray[np.float32]
    eta: NDArray[np.float32]
    phi: NDArray[np.float32]
    energy: NDArray[np.float32]
    offsets: NDArray[np.int64]

    @classmethod
    def from_labels(cls, labels: NDArray[np.floating], offsets: NDArray[np.int64]) -> Candidates:
        """Return the rows of `labels` that are particles, for example of `Events.ygen`.

        Args:
            labels: shape (M, 7), columns `schema.Y_COLUMNS`; rows of class 0 are left out.
            offsets: shape (B + 1,), the events' rows.
        """
        found = labels[:, 0] != Particle.NONE
        pid, charge, pt, eta, sin_phi, cos_phi, energy = labels[found].T
        return cls(
            pid=pid.astype(np.int64),
            charge=charge.astype(np.int64),
            pt=pt.astype(np.float32),
            eta=eta.astype(np.float32),
            phi=np.arctan2(sin_phi, cos_phi).astype(np.float32),
            energy=energy.astype(np.float32),
            offsets=offsets_of(found)[offsets],
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1
