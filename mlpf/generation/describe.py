"""The generator information of an event, as it is stored with the detector elements."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.generator import Generator, is_visible
from mlpf.generation.pileup import Crossing

_MAX_ETA: Final = 20.0  # of a particle along the beam
_DIGITS: Final = 3  # micrometers: decays at once leave production points that compress to nothing


def describe(
    hard: NDArray[Any], crossing: Crossing, pileup_share: NDArray[np.float32]
) -> Generator:
    """Return the generator information of one event.

    Args:
        hard: stable particles of the hard process, dtype `simulation.RECORD`, produced around the
            origin: all of them, unlike those of `crossing`.
        crossing: the event that the detector saw.
        pileup_share: for each detector element.
    """
    px, py, pz = (hard[name].astype(np.float64) for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    invisible = ~is_visible(hard["pid"])
    return Generator(
        pid=hard["pid"],
        charge=hard["charge"],
        pt=pt.astype(np.float32),
        eta=np.clip(np.arcsinh(pz / np.maximum(pt, 1e-9)), -_MAX_ETA, _MAX_ETA).astype(np.float32),
        phi=np.arctan2(py, px).astype(np.float32),
        energy=hard["energy"],
        x=hard["x"].round(_DIGITS),
        y=hard["y"].round(_DIGITS),
        z=(hard["z"] + crossing.vertex_z[0]).round(_DIGITS).astype(np.float32),
        vertex=np.zeros(len(hard), np.int32),
        offsets=np.array([0, len(hard)]),
        met_px=np.array([px[invisible].sum()], np.float32),
        met_py=np.array([py[invisible].sum()], np.float32),
        n_pileup=np.array([len(crossing.vertex_z) - 1], np.int32),
        pileup_share=pileup_share,
    )
