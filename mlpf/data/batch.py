"""A batch of events: a plain concatenation, never padded.

Shapes: M elements of the batch, B events, F = 12 features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlpf.data.events import Events


@dataclass(frozen=True)
class Batch:
    """Events one after another: the input of a network and the targets of a loss.

    A network that needs padding adds it internally, so neither the data nor the loss contain
    padded rows.

    Args:
        x: shape (M, 12) float32, input features, columns `schema.X_COLUMNS`.
        ygen: shape (M, 7) float32, truth, columns `schema.Y_COLUMNS`.
        ycand: shape (M, 7) float32, rule-based candidates, same columns.
        offsets: shape (B + 1,) int64; event b is rows offsets[b] to offsets[b + 1].
    """

    x: Tensor
    ygen: Tensor
    ycand: Tensor
    offsets: Tensor

    @classmethod
    def from_events(cls, events: Events) -> Batch:
        """Return the events as one batch of CPU tensors; float32 arrays are not copied."""
        return cls(
            torch.as_tensor(events.x, dtype=torch.float32),
            torch.as_tensor(events.ygen, dtype=torch.float32),
            torch.as_tensor(events.ycand, dtype=torch.float32),
            torch.as_tensor(events.offsets),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """Return the batch on `device`."""
        tensors = (self.x, self.ygen, self.ycand, self.offsets)
        return Batch(*(t.to(device, non_blocking=non_blocking) for t in tensors))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, for asynchronous copies to a GPU."""
        return Batch(*(t.pin_memory() for t in (self.x, self.ygen, self.ycand, self.offsets)))
