"""Events in memory: flat arrays plus offsets. `mlpf.data.files` has them on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf.data.generator import Generator, join
from mlpf.data.ragged import Offsets, join_offsets, offsets_of, rows_of
from mlpf.schema import N_X, N_Y


@dataclass(frozen=True)
class Events:
    """A set of events as flat arrays.

    Args:
        x: shape (M, 12) float32, the columns `schema.X_COLUMNS`, all events one after another.
        ygen: shape (M, 7) float32, the columns `schema.Y_COLUMNS`, the truth.
        ycand: shape (M, 7) float32, the rule-based particle-flow candidates.
        offsets: shape (B + 1,) int64; event b is rows offsets[b] to offsets[b + 1].
        has_truth: false if `ygen` is not known, as in real data; it is then `no_labels`.
        has_rules: the same for `ycand`.
        generator: the generator information; None if absent or not asked for.

    Raises:
        ValueError: the shapes do not fit together.

    >>> events = Events(np.zeros((5, 12)), np.zeros((5, 7)), np.zeros((5, 7)), np.array([0, 2, 5]))
    >>> len(events), events.sizes.tolist()
    (2, [2, 3])
    """

    x: NDArray[np.float32]
    ygen: NDArray[np.float32]
    ycand: NDArray[np.float32]
    offsets: Offsets
    has_truth: bool = True
    has_rules: bool = True
    generator: Generator | None = None

    def __post_init__(self) -> None:
        n_rows = int(self.offsets[-1]) if len(self.offsets) else -1
        for name, width in (("x", N_X), ("ygen", N_Y), ("ycand", N_Y)):
            shape = getattr(self, name).shape
            if shape != (n_rows, width):
                raise ValueError(f"{name} has shape {shape}, by the offsets ({n_rows}, {width})")
        if self.offsets[0] != 0 or np.any(np.diff(self.offsets) < 0):
            raise ValueError("offsets must start at 0 and never decrease")
        if self.generator is not None:
            found = (len(self.generator), *self.generator.pileup_share.shape)
            if found != (len(self), n_rows):
                raise ValueError(f"generator has events and elements {found}, not those of x")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of elements of each event, shape (B,)."""
        return np.diff(self.offsets)

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Events:
        """Return the events `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        rows, offsets = rows_of(self.offsets, chosen)
        known = self.generator
        return self._rows(rows, offsets, None if known is None else known.take(chosen, rows))

    def select_elements(self, keep: NDArray[np.bool_]) -> Events:
        """Return all events with only the elements where `keep`, shape (M,), is true."""
        generator = self.generator
        if generator is not None:
            generator = replace(generator, pileup_share=generator.pileup_share[keep])
        return self._rows(keep, offsets_of(keep)[self.offsets], generator)

    def _rows(self, rows: NDArray[Any], offsets: Offsets, generator: Generator | None) -> Events:
        tables = (self.x[rows], self.ygen[rows], self.ycand[rows])
        return Events(*tables, offsets, self.has_truth, self.has_rules, generator)


def no_labels(n_rows: int) -> NDArray[np.float32]:
    """Return read-only zeros, shape (n_rows, 7), that take no memory: absent labels."""
    return np.broadcast_to(np.float32(0), (n_rows, N_Y))


def concatenate(parts: Sequence[Events]) -> Events:
    """Return the events of all `parts`, at least one, as one set.

    It has truth, rule-based candidates and a generator if all parts have them.
    """
    generators = [part.generator for part in parts if part.generator is not None]
    return Events(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.ygen for part in parts]),
        np.concatenate([part.ycand for part in parts]),
        join_offsets([part.offsets for part in parts]),
        has_truth=all(part.has_truth for part in parts),
        has_rules=all(part.has_rules for part in parts),
        generator=join(generators) if len(generators) == len(parts) else None,
    )


def from_arrays(
    x: Sequence[NDArray[Any]], ygen: Sequence[NDArray[Any]], ycand: Sequence[NDArray[Any]]
) -> Events:
    """Return one `Events` from one array per event; shapes (n, 12), (n, 7), (n, 7)."""
    offsets = offsets_of([len(event) for event in x])
    return Events(_flatten(x, N_X), _flatten(ygen, N_Y), _flatten(ycand, N_Y), offsets)


def _flatten(arrays: Sequence[NDArray[Any]], width: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((0, width)), *arrays]).astype(np.float32)
