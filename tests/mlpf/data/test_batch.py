from __future__ import annotations

import numpy as np
import torch

from mlpf.data.batch import Batch
from mlpf.data.events import Events, from_arrays, no_labels


def make_batch() -> Batch:
    rng = np.random.default_rng(1)
    x = [rng.random((n, 12)) for n in (2, 0, 3)]
    y = [rng.random((n, 7)) for n in (2, 0, 3)]
    return Batch.from_events(from_arrays(x, y, y))


def test_a_batch_counts_events_and_keeps_empty_ones():
    batch = make_batch()
    assert len(batch) == 3
    assert batch.offsets.tolist() == [0, 2, 2, 5]
    assert batch.x.shape == (5, 12)
    assert batch.x.dtype == torch.float32
    assert batch.offsets.dtype == torch.int64


def test_labels_that_nobody_knows_are_zeros_of_their_own():
    labels = no_labels(2)
    batch = Batch.from_events(Events(np.ones((2, 12)), labels, labels, np.array([0, 2]), False))
    batch.ygen[0, 0] = 1
    assert batch.ygen.sum() == 1
    assert not labels.any()


def test_moving_a_batch_moves_every_tensor():
    moved = make_batch().to("meta")
    assert {t.device.type for t in (moved.x, moved.ygen, moved.ycand, moved.offsets)} == {"meta"}
