"""A batch of M elements in B events: a plain concatenation, never padded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlpf.data.events import Events


@dataclass(frozen=True)
class Batch:
    """Events one after another: the input of a network and the targets of a loss."""

    x: Tensor  # shape (M, 12) float32, input features, columns `schema.X_COLUMNS`
    ygen: Tensor  # shape (M, 7) float32, truth, columns `schema.Y_COLUMNS`
    ycand: Tensor  # shape (M, 7) float32, rule-based candidates, same columns
    offsets: Tensor  # shape (B + 1,) int64; event b is rows offsets[b] to offsets[b + 1]

    @classmethod
    def from_events(cls, events: Events) -> Batch:
        """Return the events as one batch of CPU tensors; writable arrays are not copied."""
        arrays = (events.x, events.ygen, events.ycand)
        x, ygen, ycand = (torch.from_numpy(np.require(a, np.float32, ("C", "W"))) for a in arrays)
        return cls(x, ygen, ycand, torch.as_tensor(events.offsets))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """Return the batch on `device`."""
        tensors = (self.x, self.ygen, self.ycand, self.offsets)
        return Batch(*(t.to(device, non_blocking=non_blocking) for t in tensors))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, for asynchronous copies to a GPU."""
        return Batch(*(t.pin_memory() for t in (self.x, self.ygen, self.ycand, self.offsets)))
