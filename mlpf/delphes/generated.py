"""Generator information of Delphes events: the hard process, the true MET and the pile-up.

Shapes: P particles, T tracks, C towers, L links of towers, of B events.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf import detector
from mlpf.data.checks import MAX_CHARGE
from mlpf.data.generator import Generator, is_visible
from mlpf.data.ragged import offsets_of
from mlpf.delphes.branches import GENERATOR, Chunk, Objects
from mlpf.delphes.labels import per_element, sums
from mlpf.delphes.links import Links
from mlpf.detector import Floats

_MAX_ETA: Final = 20.0  # Delphes has 999.9 for a particle along the beam
_DIGITS: Final = 3  # micrometers, as in generated events


def describe(chunk: Chunk, links: Links) -> Generator | None:
    """Return the generator information of the events of a chunk; None without its branches."""
    particles = chunk["PileUpMix"]
    if not all(part in particles.columns for part in GENERATOR):
        return None
    is_hard = particles["IsPU"] == 0
    event, n_events = particles.event, len(particles.offsets) - 1
    met = _missing(particles, is_hard & is_visible(particles["PID"]))
    charge = particles["Charge"][is_hard]  # Delphes has -999 for a code it does not know
    return Generator(
        pid=particles["PID"][is_hard].astype(np.int32),
        charge=np.where(np.abs(charge) <= MAX_CHARGE, charge, 0).astype(np.int8),
        pt=_float32(particles["PT"][is_hard]),
        eta=_float32(particles["Eta"][is_hard].clip(-_MAX_ETA, _MAX_ETA)),
        phi=_float32(particles["Phi"][is_hard]),
        energy=_float32(particles["E"][is_hard]),
        x=_float32(particles["X"][is_hard].round(_DIGITS)),
        y=_float32(particles["Y"][is_hard].round(_DIGITS)),
        z=_float32(particles["Z"][is_hard].round(_DIGITS)),
        vertex=np.zeros(np.count_nonzero(is_hard), np.int32),
        offsets=offsets_of(np.bincount(event[is_hard], minlength=n_events)),
        met_px=_float32(met[0]),
        met_py=_float32(met[1]),
        n_pileup=_n_pileup(particles),
        pileup_share=_pileup_share(chunk, links),
    )


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _missing(particles: Objects, visible: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Minus the sum of the visible momenta of each event, shapes (B,).

    That of the invisible ones is the same, but a file may lack them.
    """
    event, n_events = particles.event[visible], len(particles.offsets) - 1
    pt, phi = (particles[name][visible].astype(np.float64) for name in ("PT", "Phi"))
    px, py = pt * np.cos(phi), pt * np.sin(phi)
    return 0.0 - sums(event, px, n_events), 0.0 - sums(event, py, n_events)


def _n_pileup(particles: Objects) -> NDArray[np.int32]:
    """Count the points on the beam line at which pile-up particles begin, shape (B,).

    -1 if there are pile-up particles and none begins at x = y = 0, as with a wide beam.
    """
    n_events = len(particles.offsets) - 1
    is_pileup = particles["IsPU"] != 0
    on_line = is_pileup & (particles["X"] == 0) & (particles["Y"] == 0)
    points = np.column_stack((particles.event[on_line], particles["Z"][on_line]))
    counts = np.bincount(np.unique(points, axis=0)[:, 0].astype(np.int64), minlength=n_events)
    unknown = (counts == 0) & (np.bincount(particles.event[is_pileup], minlength=n_events) > 0)
    return np.where(unknown, -1, counts).astype(np.int32)


def _pileup_share(chunk: Chunk, links: Links) -> NDArray[np.float32]:
    """Share of pile-up in the energy of each element, by what the card deposits, shape (M,)."""
    particles, towers = chunk["PileUpMix"], chunk["Tower"]
    of_pileup = (particles["IsPU"] != 0).astype(np.float64)
    pid = particles["PID"][links.of_towers]
    in_ecal = towers["Eem"][links.tower] > 0
    fraction = np.where(in_ecal, detector.ecal_fraction(pid), detector.hcal_fraction(pid))
    deposit = fraction * particles["E"][links.of_towers]
    total, pileup = (
        sums(links.tower, energy, len(towers))
        for energy in (deposit, deposit * of_pileup[links.of_towers])
    )
    share = np.divide(pileup, total, out=np.zeros(len(towers)), where=total > 0)
    return per_element(chunk, of_pileup[links.of_tracks], share)
