"""Lists one after another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlpf.data.ragged import join_offsets, offsets_of, rows_of

sizes_lists = st.lists(st.integers(0, 6), max_size=8)


@given(sizes_lists, st.data())
def test_chosen_lists_come_in_the_asked_order(sizes, data):
    lists = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]) if sizes else []
    last = len(sizes) - 1
    chosen = data.draw(st.lists(st.integers(0, last), max_size=10) if sizes else st.just([]))
    rows, offsets = rows_of(offsets_of(sizes), np.array(chosen, dtype=np.int64))
    assert rows.tolist() == [row for i in chosen for row in lists[i]]
    assert np.diff(offsets).tolist() == [sizes[i] for i in chosen]


@given(st.lists(sizes_lists, min_size=1))
def test_joined_offsets_have_the_sizes_of_all_parts(parts):
    joined = join_offsets([offsets_of(sizes) for sizes in parts])
    assert joined.dtype == np.int64
    assert joined[0] == 0
    assert np.diff(joined).tolist() == [size for sizes in parts for size in sizes]
