"""Layouts of batches by the sizes of their events."""

import torch

from mlpf.network.neighbors import EventLayout


def layout_of(sizes):
    return EventLayout.from_offsets(torch.tensor([0, *sizes]).cumsum(0), sum(sizes))
