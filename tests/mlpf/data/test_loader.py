from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf.data.events import from_arrays
from mlpf.data.loader import BatchLoader, BatchSampler
from mlpf.data.mapped import MappedEvents

SIZES = np.random.default_rng(3).integers(100, 1300, 150)


def batches(sampler: BatchSampler) -> list[list[int]]:
    return [indices.tolist() for indices in sampler]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=8, max_size=40),
    st.integers(1, 120),
    st.booleans(),
    st.integers(0, 5),
)
def test_each_event_comes_once_and_no_batch_is_too_large(sizes, bound, shuffle, epoch):
    sampler = BatchSampler(np.array(sizes), bound, shuffle=shuffle, seed=2)
    sampler.set_epoch(epoch)
    found = batches(sampler)
    assert len(found) == len(sampler)
    assert sorted(i for batch in found for i in batch) == list(range(len(sizes)))
    for batch in found:  # an event above the bound is alone, but for empty ones
        in_batch = [sizes[i] for i in batch]
        assert sum(in_batch) <= max(bound, *in_batch, 0)


def test_without_shuffling_events_keep_their_order():
    sampler = BatchSampler(np.array([4, 4, 4, 9, 1, 1]), 8)
    assert batches(sampler) == [[0, 1], [2], [3], [4, 5]]
    sampler.set_epoch(7)
    assert batches(sampler) == [[0, 1], [2], [3], [4, 5]]


def test_the_order_depends_on_seed_and_epoch_alone():
    first = BatchSampler(SIZES, 4000, shuffle=True, seed=5)
    epochs = []
    for epoch in range(4):
        first.set_epoch(epoch)
        epochs.append(batches(first))
    resumed = BatchSampler(SIZES, 4000, shuffle=True, seed=5)
    resumed.set_epoch(2)
    assert batches(resumed) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]
    assert batches(BatchSampler(SIZES, 4000, shuffle=True, seed=6)) != epochs[0]


def test_every_epoch_has_the_same_number_of_batches():
    sampler = BatchSampler(SIZES, 2500, shuffle=True, seed=1)
    for epoch in range(100):
        sampler.set_epoch(epoch)
        assert len(batches(sampler)) == len(sampler)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_ranks_share_all_events_in_equally_many_batches(shuffle, world_size):
    ranks = [
        BatchSampler(SIZES, 4000, shuffle=shuffle, seed=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    found = []
    for sampler in ranks:
        sampler.set_epoch(3)
        found.append(batches(sampler))
    assert len({len(shares) for shares in found}) == 1
    assert sorted(i for shares in found for b in shares for i in b) == list(range(len(SIZES)))


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ([5, 5], {"max_elements": 0}, "max_elements must be >= 1, got 0"),
        ([5, 5], {"max_elements": 9, "world_size": 3}, "2 events .* by 3 processes"),
        ([5, 5, 5], {"max_elements": 5, "world_size": 2}, "3 events in at least 3 batches"),
    ],
)
def test_impossible_shares_are_refused(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        BatchSampler(np.array(sizes), **options)


def test_the_loader_gives_the_events_of_each_batch(tmp_path):
    x = [np.full((n, 12), n) for n in (1, 2, 3, 4)]
    y = [np.full((n, 7), n) for n in (1, 2, 3, 4)]
    MappedEvents.write(tmp_path / "a.arrow", [from_arrays(x, y, y)])
    events = MappedEvents(tmp_path / "a.arrow")
    loader = BatchLoader(events, BatchSampler(events.sizes, 4))
    found = [batch.x[:, 0].tolist() for batch in loader]
    assert found == [[1, 2, 2], [3, 3, 3], [4, 4, 4, 4]]
    assert len(loader) == 3


@pytest.mark.parametrize(("world_size", "n_accumulated"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_weighted_means_of_the_batches_of_a_step_are_the_mean_of_its_elements(
    world_size, n_accumulated
):
    sizes = np.random.default_rng(0).integers(0, 9, 40)
    value = np.random.default_rng(1).random(40)  # the mean of the elements of each event
    ranks = [
        BatchSampler(sizes, 20, shuffle=True, seed=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    n_steps = len(ranks[0]) - 1  # as with a limit of the batches per epoch
    for epoch in (0, 1):
        for rank in ranks:
            rank.set_epoch(epoch)
        batches = [list(rank)[:n_steps] for rank in ranks]
        for first in range(0, n_steps, n_accumulated):
            steps = range(first, min(first + n_accumulated, n_steps))
            mean_of_means = 0.0
            for rank, own in zip(ranks, batches, strict=True):
                for step in steps:
                    mean = np.average(value[own[step]], weights=sizes[own[step]])
                    share = rank.share(step, n_accumulated=n_accumulated, n_steps=n_steps)
                    mean_of_means += share * mean / (world_size * n_accumulated)
            events = np.concatenate([own[step] for own in batches for step in steps])
            whole = np.average(value[events], weights=sizes[events])
            assert mean_of_means == pytest.approx(whole, rel=1e-12)


def test_one_rank_without_accumulation_counts_every_batch_exactly_once():
    sampler = BatchSampler(np.random.default_rng(0).integers(0, 9, 40), 20, shuffle=True)
    shares = [sampler.share(i, n_accumulated=1, n_steps=len(sampler)) for i in range(len(sampler))]
    assert shares == [1.0] * len(sampler)
    assert BatchSampler(np.zeros(3, int), 5).share(0, n_accumulated=1, n_steps=1) == 1.0
