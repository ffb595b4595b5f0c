"""The events of a batch, one after the other, and the nearest elements inside each event.

Shapes: M elements of the batch, B events, N elements of one event, D dimensions of the points,
k neighbors, E edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Distances held at once, by the type of device: what fits a core's cache, or fills a GPU.
_N_DISTANCES = {"cpu": 2**17}
_N_DISTANCES_ELSEWHERE = 2**25


@dataclass(frozen=True)
class EventLayout:
    """Which rows of a batch belong to which event; the same for all layers of a network."""

    event: Tensor  # shape (M,) int64, the event of each element, ascending
    sizes: list[int]  # elements of each event, in order; B of them

    @classmethod
    def from_offsets(cls, offsets: Tensor, n_elements: int) -> EventLayout:
        """Return the layout of events that begin at `offsets` and hold `n_elements` rows."""
        if len(offsets) == 2:  # from the shape, so that an exported program holds for any number
            event = torch.zeros(n_elements, dtype=torch.int64, device=offsets.device)
            return cls(event, [n_elements])
        sizes = offsets.diff()
        event = torch.repeat_interleave(sizes, output_size=n_elements)
        return cls(event, sizes.tolist())

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the rows of each event of `x`, shape (M, ...)."""
        return torch.split(x, self.sizes)


@dataclass(frozen=True)
class Neighbors:
    """The nearest elements of each element, as edges ordered by the element that they end in."""

    source: Tensor  # shape (E,) int64, the neighbor's row; an element's own row comes first
    target: Tensor  # shape (E,) int64, the row of the element, ascending
    first: Tensor  # shape (M + 1,) int64, the edges of row i are first[i] to first[i + 1]


@torch.no_grad()
def find_neighbors(points: Tensor, layout: EventLayout, k: int) -> Neighbors:
    """Return the k nearest elements of each element among those of its event, itself included.

    An event of fewer than k elements has as many neighbors as elements. The time grows with the
    square of an event's elements, the memory with their number.

    Args:
        points: shape (M, D), float32 or float64.
        layout: of the batch.
        k: at least 1.
    """
    start, sources = 0, [torch.empty(0, dtype=torch.int64, device=points.device)]
    for event in layout.split(points):
        sources.append(nearest(event, k).flatten() + start)
        start += event.shape[0]
    sizes = torch.tensor(layout.sizes, dtype=torch.int64, device=points.device)
    counts = sizes.clamp(max=k)[layout.event]
    source = torch.cat(sources)
    target = torch.repeat_interleave(counts, output_size=source.shape[0])
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Neighbors(source, target, first)


def nearest(points: Tensor, k: int) -> Tensor:
    """Return the rows of the min(k, N) nearest points of each point, nearest first.

    Distances are compared as float32. Of two points at the same distance the one with the smaller
    first coordinate is nearer, then the one in the earlier row. So a permutation of the rows
    changes the result only where two points agree in all of this.

    Args:
        points: shape (N, D).
        k: at least 1.

    Returns:
        Shape (N, min(k, N)), int64.

    >>> nearest(torch.tensor([[0.0], [5.0], [1.0], [-1.0]]), 3).tolist()
    [[0, 3, 2], [1, 2, 0], [2, 0, 3], [3, 0, 2]]
    """
    n, k = points.shape[0], min(k, points.shape[0])
    order = points[:, 0].argsort(stable=True)
    points = points[order]
    if torch.compiler.is_compiling():  # a program has no number of parts of its own
        found = _nearest_of(points, points, k)
    else:
        found = torch.empty(n, k, dtype=torch.int64, device=points.device)
        rows = max(1, _N_DISTANCES.get(points.device.type, _N_DISTANCES_ELSEWHERE) // max(1, n))
        for queries, place in zip(
            torch.split(points, rows), torch.split(found, rows), strict=True
        ):
            place.copy_(_nearest_of(queries, points, k))
    neighbors = torch.empty_like(found)
    neighbors[order] = order[found]
    return neighbors


def _nearest_of(queries: Tensor, points: Tensor, k: int) -> Tensor:
    """Return the rows of `points` that are nearest to each of `queries`, shape (n, k)."""
    # Differences, not |a|^2 - 2ab + |b|^2: no cancellation, no product that TF32 would round.
    distances = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
    # A double has 29 bits more than a float: the row, there, makes all keys different.
    rows = torch.arange(points.shape[0], device=points.device)
    keys = distances.float().double().view(torch.int64).bitwise_or(rows).view(torch.float64)
    return keys.topk(k, dim=1, largest=False).indices
