"""Lists of different lengths, one after another in a flat array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]  # shape (B + 1,); list b is rows offsets[b] to offsets[b + 1]


def offsets_of(sizes: NDArray[Any] | Sequence[int]) -> Offsets:
    """Return the offsets of lists of these sizes.

    >>> offsets_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def rows_of(offsets: Offsets, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], Offsets]:
    """Return the rows of the lists `chosen`, in that order, and the offsets of these lists.

    >>> rows, new = rows_of(np.array([0, 2, 2, 5]), np.array([2, 0]))
    >>> rows.tolist(), new.tolist()
    ([2, 3, 4, 0, 1], [0, 3, 5])
    """
    sizes = np.diff(offsets)[chosen]
    new = offsets_of(sizes)
    return np.arange(new[-1]) + np.repeat(offsets[chosen] - new[:-1], sizes), new


def join_offsets(parts: Sequence[Offsets]) -> Offsets:
    """Return the offsets of the lists of all `parts`, at least one.

    >>> join_offsets([np.array([0, 2]), np.array([0, 1, 4])]).tolist()
    [0, 2, 3, 6]
    """
    return offsets_of(np.concatenate([np.diff(part) for part in parts]))
