from __future__ import annotations

import numpy as np
import pytest

from mlpf.data.events import Events, from_arrays
from mlpf.data.selection import Selection


def events_of(*pt_and_eta: list[tuple[float, float]]) -> Events:
    """One event per list; element i of the set carries i in its energy column."""
    x, count = [], 0
    for pairs in pt_and_eta:
        event = np.zeros((len(pairs), 12))
        for row, (pt, eta) in zip(event, pairs, strict=True):
            row[[0, 1, 2, 5]] = 2, pt, eta, count
            count += 1
        x.append(event)
    y = [np.zeros((len(event), 7)) for event in x]
    return from_arrays(x, y, y)


EVENTS = events_of([(1, 0), (5, -3)], [(2, 1)], [(9, 2), (0.5, 2.5), (3, 0)])


@pytest.mark.parametrize(
    ("cuts", "elements", "sizes"),
    [
        ({}, [0, 1, 2, 3, 4, 5], [2, 1, 3]),
        ({"min_pt_gev": 2}, [1, 2, 3, 5], [1, 1, 2]),
        ({"min_pt_gev": 3}, [1, 3, 5], [1, 2]),
        ({"min_pt_gev": 3, "min_elements": 0}, [1, 3, 5], [1, 0, 2]),
        ({"max_abs_eta": 2}, [0, 2, 3, 5], [1, 1, 2]),
        ({"min_pt_gev": 2, "max_abs_eta": 1}, [2, 5], [1, 1]),
        ({"min_elements": 2}, [0, 1, 3, 4, 5], [2, 3]),
        ({"max_elements": 2}, [0, 1, 2], [2, 1]),
        ({"min_elements": 2, "max_elements": 2}, [0, 1], [2]),
        ({"min_pt_gev": 1, "max_elements": 2}, [0, 1, 2, 3, 5], [2, 1, 2]),
    ],
)
def test_cuts_drop_elements_first_and_then_events(cuts, elements, sizes):
    selected = Selection(**cuts).apply(EVENTS)
    assert selected.x[:, 5].tolist() == elements
    assert selected.sizes.tolist() == sizes


@pytest.mark.parametrize(
    ("cuts", "culprit"),
    [
        ({"min_pt_gev": 10}, "min_pt_gev=10"),
        ({"min_pt_gev": 5, "max_abs_eta": 1}, "max_abs_eta=1"),
        ({"min_elements": 4}, "min_elements=4"),
        ({"min_elements": 0, "max_elements": 0}, "max_elements=0"),
        ({"min_pt_gev": 2}, None),
    ],
)
def test_the_cut_that_leaves_nothing_is_named(cuts, culprit):
    selection = Selection(**cuts)
    assert selection.culprit(EVENTS) == culprit
    assert (len(selection.apply(EVENTS).x) == 0) == (culprit is not None)


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ({"min_pt_gev": -1}, r"^min_pt_gev must be >= 0, got -1"),
        ({"max_abs_eta": float("nan")}, "max_abs_eta must be >= 0, got nan"),
        ({"min_elements": 5, "max_elements": 3}, "max_elements is 3, below .*min_elements 5"),
    ],
)
def test_impossible_limits_are_refused(cuts, message):
    with pytest.raises(ValueError, match=message):
        Selection(**cuts)
