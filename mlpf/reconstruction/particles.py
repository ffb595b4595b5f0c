"""Particles of events as the rows of a file: PDG codes, four-momenta, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.ragged import Offsets, offsets_of
from mlpf.network.decoding import MASSES_GEV
from mlpf.schema import Particle

# By class. The sign is that of the PDG for a positive charge: an electron, 11, is negative.
_POSITIVE_CODE: Final = {
    Particle.NONE: 0,
    Particle.CHARGED_HADRON: 211,
    Particle.NEUTRAL_HADRON: 130,
    Particle.PHOTON: 22,
    Particle.ELECTRON: -11,
    Particle.MUON: -13,
}
_CODES: Final = np.array([_POSITIVE_CODE[kind] for kind in Particle], np.int32)
_MASSES: Final = np.array(MASSES_GEV, np.float32)

INT_COLUMNS: Final = ("pdg_id", "charge", "element")
FLOAT_COLUMNS: Final = ("pt", "eta", "phi", "energy", "mass", "probability")


@dataclass(frozen=True)
class ParticleRows:
    """P particles in B events.

    Args:
        columns: each of shape (P,). `pdg_id`: 211, -211, 130, 22, 11, -11, 13 or -13. `charge`:
            -1, 0 or 1. `pt`, `energy` and `mass` in GeV; the mass is that of the class. `eta`,
            and `phi` in [-pi, pi]. `probability` of the class that the particle has. `element`:
            the row of its detector element in the event.
        offsets: shape (B + 1,); event b has particles offsets[b] to offsets[b + 1].
    """

    columns: dict[str, NDArray[np.int32] | NDArray[np.float32]]
    offsets: Offsets

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.float32],
        labels: NDArray[np.float32],
        offsets: Offsets,
    ) -> ParticleRows:
        """Return the rows of the elements that are particles.

        Args:
            probabilities: shape (M, 6), of the classes.
            labels: shape (M, 7), columns `schema.Y_COLUMNS`; class 0 is no particle.
            offsets: shape (B + 1,), the events' elements.

        >>> electron = np.array([[4, -1, 2.0, 0.0, 0.0, 1.0, 2.0], np.zeros(7)], np.float32)
        >>> rows = ParticleRows.of(np.full((2, 6), 0.5), electron, np.array([0, 2]))
        >>> rows.columns["pdg_id"].tolist(), rows.offsets.tolist()
        ([11], [0, 1])
        """
        found = labels[:, 0] != Particle.NONE
        element = np.arange(len(labels)) - np.repeat(offsets[:-1], np.diff(offsets))
        pid = labels[found, 0].astype(np.int64)
        charge, pt, eta, sin_phi, cos_phi, energy = labels[found, 1:].T
        code = _CODES[pid] * np.where(charge < 0, -1, 1)
        columns = {
            "pdg_id": code.astype(np.int32),
            "charge": charge.astype(np.int32),
            "pt": pt,
            "eta": eta,
            "phi": np.arctan2(sin_phi, cos_phi),
            "energy": energy,
            "mass": _MASSES[pid],
            "probability": probabilities[found, pid],
            "element": element[found].astype(np.int32),
        }
        floats = {name: np.ascontiguousarray(columns[name], np.float32) for name in FLOAT_COLUMNS}
        return cls(columns | floats, offsets_of(found)[offsets])
