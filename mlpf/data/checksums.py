"""Checksums of the values of events, stored with them: a change of the content is noticed."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.data.layout import LABELS, number_type
from mlpf.schema import EVENT_COLUMNS, PARTICLE_COLUMNS

_SIZES: Final = ("sizes", "gen_sizes")
_KNOWN: Final = ("pileup_share", *PARTICLE_COLUMNS, *EVENT_COLUMNS)


class Checksums:
    """SHA-256 of each table of events, whatever the portions in which they come.

    >>> events = Events(np.zeros((5, 12)), np.zeros((5, 7)), np.zeros((5, 7)), np.array([0, 2, 5]))
    >>> whole, parts = Checksums(), Checksums()
    >>> whole.add(events)
    >>> parts.add(events.take([0]))
    >>> parts.add(events.take([1]))
    >>> list(whole.texts()), whole.texts() == parts.texts()
    (['sizes', 'x', 'ygen', 'ycand'], True)
    """

    def __init__(self) -> None:
        self._digests: dict[str, Any] = {}

    def add(self, events: Events) -> None:
        """Add the next events."""
        for name, values in _arrays(events).items():
            kind = np.int64 if name in _SIZES else number_type(name).to_pandas_dtype()
            digest = self._digests.setdefault(name, hashlib.sha256())
            digest.update(np.ascontiguousarray(values, kind).data)

    def texts(self) -> dict[str, str]:
        """Return the checksum of each table."""
        return {name: digest.hexdigest()[:16] for name, digest in self._digests.items()}


def _arrays(events: Events) -> dict[str, NDArray[Any]]:
    labels = zip(LABELS, (events.has_truth, events.has_rules), strict=True)
    arrays: dict[str, NDArray[Any]] = {_SIZES[0]: events.sizes, "x": events.x}
    arrays |= {name: getattr(events, name) for name, known in labels if known}
    known = events.generator
    if known is not None:
        arrays[_SIZES[1]] = np.diff(known.offsets)
        arrays |= {f"gen_{name}": getattr(known, name) for name in _KNOWN}
    return arrays
