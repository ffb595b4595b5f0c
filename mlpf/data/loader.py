"""Batches of whole events, bounded by their number of elements, the same on every run.

Reading a batch is copying some of the mapped events; while a batch is in use, the system reads the
next one from the disk. So no worker processes are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlpf.data.batch import Batch
from mlpf.data.mapped import MappedEvents

_N_DRAWS = 20  # epochs tried to choose the number of batches


class BatchSampler:
    """The events of each batch, as arrays of event indices.

    Each epoch puts all events in a new random order and fills batches in this order. The order
    depends only on `seed` and the epoch, so a resumed run gets the same batches. The training loop
    needs the same number of batches in all epochs and for all ranks, which wait for each other: an
    epoch with fewer batches splits some. Over all ranks each event occurs once per epoch.

    Args:
        sizes: shape (B,), number of elements of each event.
        max_elements: upper bound of the elements in a batch, at least 1. A larger event forms
            a batch by itself, except for empty events before it.
        shuffle: false to keep the given order in all epochs.
        seed: at least 0.
        rank: of this process, from 0.
        world_size: number of processes that share the events.

    Raises:
        ValueError: `max_elements` is below 1, or there are too few events for equal shares.
    """

    def __init__(
        self,
        sizes: NDArray[np.int64],
        max_elements: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if max_elements < 1:
            raise ValueError(f"max_elements must be >= 1, got {max_elements}")
        self.sizes, self.max_elements = sizes, max_elements
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0
        self.rank, self.world_size = rank, world_size
        self._counted: tuple[int, NDArray[np.int64]] = (-1, np.zeros((0, world_size), np.int64))
        draws = range(_N_DRAWS if shuffle else 1)
        n_batches = max(len(self._fill(epoch, attempt=0)) for epoch in draws)
        self._n_batches = -(-n_batches // world_size) * world_size
        if self._n_batches > len(sizes):
            raise ValueError(
                f"{len(sizes)} events in at least {n_batches} batches "
                f"cannot be shared evenly by {world_size} processes"
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._n_batches // self.world_size

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return iter(self._batches()[self.rank :: self.world_size])

    def share(self, step: int, *, n_accumulated: int, n_steps: int) -> float:
        """Return the weight of this rank's batch `step` among those of one optimizer step.

        Weighted so, the mean over ranks and accumulated batches of their means per element is the
        mean over all elements. It is 1 for one rank without accumulation.

        Args:
            step: number of the batch in the epoch, from 0.
            n_accumulated: batches of a rank for one optimizer step; the last one may take fewer.
            n_steps: batches of a rank in the epoch.
        """
        first = step - step % n_accumulated
        group = self._elements()[first : min(first + n_accumulated, n_steps)]
        mean = group.sum() / (n_accumulated * self.world_size)
        return float(group[step - first, self.rank] / mean) if mean else 1.0

    def _elements(self) -> NDArray[np.int64]:
        """Return the number of elements of each batch, shape (batches of a rank, world_size)."""
        if self._counted[0] != self.epoch:
            counts = [int(self.sizes[batch].sum()) for batch in self._batches()]
            self._counted = self.epoch, np.array(counts).reshape(-1, self.world_size)
        return self._counted[1]

    def _batches(self) -> list[NDArray[np.int64]]:
        """Return the batches of the epoch over all ranks, exactly `_n_batches`."""
        for attempt in itertools.count():
            batches = self._fill(self.epoch, attempt)
            if len(batches) <= self._n_batches:  # nearly always the first time
                break
        while len(batches) < self._n_batches:
            largest = max(range(len(batches)), key=lambda i: len(batches[i]))
            batches[largest : largest + 1] = np.array_split(batches[largest], 2)
        return batches

    def _fill(self, epoch: int, attempt: int) -> list[NDArray[np.int64]]:
        order = np.arange(len(self.sizes))
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch, attempt]).permutation(order)
        cuts, filled = [], 0
        for i, size in enumerate(self.sizes[order].tolist()):
            if filled and filled + size > self.max_elements:
                cuts.append(i)
                filled = 0
            filled += size
        return np.split(order, cuts)


class BatchLoader:
    """The batches of one split; replaces a `torch.utils.data.DataLoader`.

    `pin_memory` page-locks each batch, for asynchronous copies to a GPU.
    """

    batch_sampler = None  # Lightning reads it from any loader that has a `sampler`

    def __init__(
        self, events: MappedEvents, sampler: BatchSampler, *, pin_memory: bool = False
    ) -> None:
        self.events, self.sampler, self.pin_memory = events, sampler, pin_memory

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        for indices, following in pairwise([*self.sampler, np.zeros(0, dtype=np.int64)]):
            self.events.prefetch(following)
            batch = Batch.from_events(self.events.take(indices))
            yield batch.pin_memory() if self.pin_memory else batch
