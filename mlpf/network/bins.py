"""Bins of neighboring elements of each event, found by locality-sensitive hashing.

The elements of an event are sorted by a hash of their embedding and the sorted list is cut into
bins of equal size ([Pata2021]_, after [Kitaev2020]_). Rows stay in the order of the batch; only
the inputs of the dense products inside the bins are moved there. So neither the wide products nor
the result are padded, and each event has only as many bins as it needs.

Shapes: M elements of the batch, B events, S bin size, K bins of all events together, P = K * S
slots of these bins, D embedding dimension, W columns of the hash codebook.

.. [Pata2021] J. Pata et al., MLPF, arXiv:2101.08578.
.. [Kitaev2020] Reformer: the efficient transformer, arXiv:2001.04451.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class BinLayout:
    """How many bins each event has and where they lie; the same for all layers of a network."""

    bin_size: int  # S, at least 1
    offsets: Tensor  # shape (B + 1,) int64, the events' rows in the batch
    event: Tensor  # shape (M,) int64, the event of each row
    # shape (M,) int64, ascending: element r of an event in hashed order goes to the slot of row r
    slots: Tensor
    rows: Tensor  # shape (P,) int64, undoes `slots`; an empty slot repeats its event's last row
    # shape (M, 1), or (1, 1) of one event, int64: codebook columns in use, half the bins or 1
    n_columns: Tensor
    valid: Tensor  # shape (P,) bool, false where a slot stays empty

    @classmethod
    def from_offsets(cls, offsets: Tensor, bin_size: int, n_elements: int) -> BinLayout:
        """Return the layout for events that begin at `offsets` and hold `n_elements` rows."""
        sizes = offsets.diff()
        n_bins = (sizes + bin_size - 1) // bin_size
        n_columns = (n_bins // 2).clamp(min=1)
        rows = torch.arange(n_elements, device=offsets.device)
        if len(sizes) == 1:
            # All follows from shapes, so an exported program holds for any number of elements.
            n_slots = (n_elements + bin_size - 1) // bin_size * bin_size
            filled = torch.arange(n_slots, device=offsets.device)
            valid, filled = filled < n_elements, filled.clamp(max=n_elements - 1)
            return cls(bin_size, offsets, rows * 0, rows, filled, n_columns.view(1, 1), valid)
        first_slot = (n_bins.cumsum(0) - n_bins) * bin_size
        event = torch.repeat_interleave(sizes, output_size=n_elements)
        slots = rows + (first_slot - offsets[:-1])[event]
        filled = rows.new_zeros(int(n_bins.sum()) * bin_size)
        valid = torch.zeros_like(filled, dtype=torch.bool)
        filled[slots], valid[slots] = rows, True
        filled = filled.cummax(0).values
        return cls(bin_size, offsets, event, slots, filled, n_columns[event].unsqueeze(1), valid)

    def centered(self, x: Tensor) -> Tensor:
        """Return the rows `x`, shape (M, C), minus the mean of their event."""
        if len(self.offsets) == 2:
            return x - x.mean(0)
        return x - torch.segment_reduce(x, "mean", offsets=self.offsets, axis=0)[self.event]


@dataclass(frozen=True)
class Binning:
    """Which element sits in which slot of a layout."""

    layout: BinLayout
    slot: Tensor  # shape (M,) int64, the slot of each element
    source: Tensor  # shape (P,) int64, the element in each slot; in an empty one of the same bin

    @classmethod
    def from_order(cls, layout: BinLayout, order: Tensor) -> Binning:
        """Fill the slots with the elements `order`, shape (M,): event by event, a permutation."""
        slot = torch.empty_like(order).scatter(0, order, layout.slots)
        return cls(layout, slot, order[layout.rows])

    def to_bins(self, x: Tensor) -> Tensor:
        """Return the rows of `x`, shape (M, C), in their bins, shape (K, S, C).

        An empty slot holds a copy of another element of its bin, which must get no weight.
        """
        spread: Tensor = apply(_Gather, x, self.source, self.slot)
        return spread.view(-1, self.layout.bin_size, x.shape[1])

    def from_bins(self, binned: Tensor) -> Tensor:
        """Return the rows, shape (M, C), of `binned`, shape (K, S, C); undoes `to_bins`.

        The gradient of an empty slot is that of the element it copies: it must get no weight.
        """
        flat = binned.reshape(self.source.shape[0], binned.shape[2])
        rows: Tensor = apply(_Gather, flat, self.slot, self.source)
        return rows


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """Return the result of an autograd function that has a `setup_context`.

    Where no gradient is wanted, only its operations run: they can be exported.
    """
    call: Any = function.apply if torch.is_grad_enabled() else function.forward
    return call(*args)


class _Gather(torch.autograd.Function):
    """A gather whose gradient is a gather too: PyTorch's own would be a slow scatter-add."""

    @staticmethod
    def forward(x: Tensor, source: Tensor, _target: Tensor) -> Tensor:
        return x.index_select(0, source)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (target,) = ctx.saved_tensors
        return grads[0].index_select(0, target), None, None


class Hashing(nn.Module):
    """Angular locality-sensitive hashing with a fixed random codebook.

    An element's code is the codebook direction, of +R and -R, with the largest projection of its
    embedding. An event of n bins uses n // 2 columns of R, so about as many codes as bins. The
    embedding is centered per event first: distances do not change, but a common offset would
    otherwise give nearly all elements the same code.

    Inside one code the elements are ordered by their projection on the next column. So the order
    depends on the embedding alone: a permutation of the rows of an event changes nothing, unless
    two different rows tie exactly (equal rows may be exchanged, without effect).

    Args:
        distance_dim: D, at least 1.
        max_n_bins: twice the number W of codebook columns, at least 2. Larger events work, with
            fewer codes than bins.
    """

    codebook: Tensor

    def __init__(self, distance_dim: int, max_n_bins: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(distance_dim, max_n_bins // 2))

    @torch.no_grad()
    def forward(self, embedding: Tensor, layout: BinLayout) -> Binning:
        """Return the bins of the elements with `embedding`, shape (M, D)."""
        projections = layout.centered(embedding) @ self.codebook
        width = projections.shape[1]
        unused = torch.arange(width, device=embedding.device) >= layout.n_columns
        column = projections.abs().masked_fill(unused, -1.0).argmax(1, keepdim=True)
        code = column + width * (projections.gather(1, column) < 0)
        within = projections.gather(1, (column + 1) % width).squeeze(1)
        # By (event, code), then `within`. No two keys are equal: the sorts of other run-time
        # systems need not be stable.
        order = torch.argsort(within, stable=True)
        rank = torch.arange(order.shape[0], device=order.device)
        key = (layout.event * (2 * width) + code.squeeze(1))[order] * order.shape[0] + rank
        return Binning.from_order(layout, order[torch.argsort(key)])
