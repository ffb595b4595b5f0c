"""Events in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf.data.events import Events, concatenate, from_arrays, no_labels

sizes_lists = st.lists(st.integers(0, 6), max_size=8)


@given(sizes_lists, st.data())
def test_taking_events_gives_the_rows_of_each_in_the_asked_order(numbered, sizes, data):
    events = numbered(sizes)
    indices = data.draw(
        st.lists(st.integers(0, len(sizes) - 1), max_size=10) if sizes else st.just([])
    )
    taken = events.take(indices)
    assert taken.sizes.tolist() == [sizes[i] for i in indices]
    for position, i in enumerate(indices):
        rows = slice(*taken.offsets[position : position + 2])
        original = slice(*events.offsets[i : i + 2])
        np.testing.assert_array_equal(taken.x[rows], events.x[original])
        np.testing.assert_array_equal(taken.ycand[rows], events.ycand[original])


@given(st.lists(sizes_lists, min_size=1, max_size=4))
def test_parts_cut_out_of_a_concatenation_are_the_parts(numbered, assert_same, lists):
    parts = [numbered(sizes, 1000 * i) for i, sizes in enumerate(lists)]
    whole = concatenate(parts)
    starts = np.cumsum([0, *map(len, lists)])
    assert len(whole) == starts[-1]
    for part, start, stop in zip(parts, starts, starts[1:], strict=False):
        assert_same(whole.take(np.arange(start, stop)), part)


@given(sizes_lists, st.data())
def test_selecting_elements_keeps_all_events_and_the_chosen_rows(numbered, sizes, data):
    events = numbered(sizes)
    n = sum(sizes)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    selected = events.select_elements(keep)
    expected = [
        int(keep[a:b].sum()) for a, b in zip(events.offsets, events.offsets[1:], strict=False)
    ]
    assert selected.sizes.tolist() == expected
    np.testing.assert_array_equal(selected.x, events.x[keep])


def test_arrays_of_both_precisions_become_float32():
    events = from_arrays([np.ones((2, 12))], [np.ones((2, 7), "f4")], [np.ones((2, 7))])
    assert events.x.dtype == events.ycand.dtype == np.float32
    assert events.sizes.tolist() == [2]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3], "x has shape"),
        ([1, 2], "start at 0"),
        ([0, 3, 2], "never decrease"),
        ([], "x has shape"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offsets, message):
    x, y = np.zeros((2, 12), np.float32), np.zeros((2, 7), np.float32)
    with pytest.raises(ValueError, match=message):
        Events(x, y, y, np.array(offsets, dtype=np.int64))


def test_unknown_labels_are_zeros_without_memory_and_stay_unknown(numbered):
    events = numbered([2, 3])
    real = Events(events.x, no_labels(5), no_labels(5), events.offsets, False, False)
    assert real.ygen.strides == (0, 0)
    assert not real.ygen.any()
    for derived in (real.take([1]), real.select_elements(events.x[:, 1] > 0)):
        assert (derived.has_truth, derived.has_rules) == (False, False)
        assert derived.ygen.shape == (len(derived.x), 7)
    mixed = concatenate([events, real])
    assert (mixed.has_truth, mixed.has_rules, len(mixed)) == (False, False, 4)
