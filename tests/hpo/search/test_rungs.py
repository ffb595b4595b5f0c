import math

import pytest
from optuna.trial import TrialState, create_trial

from hpo.search.rungs import Rungs, value_at


def trial(values):
    return create_trial(state=TrialState.WAITING, value=None, intermediate_values=values)


def test_rungs_grow_by_the_reduction_factor():
    rungs = Rungs(min_resource=2, reduction_factor=3)
    assert [rungs.up_to(step) for step in (0, 1, 2, 17, 18)] == [[], [], [2], [2, 6], [2, 6, 18]]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((), []), ((0,), []), ((0, 1), [1]), ((1, 2), []), ((1, 2, 3), [3]), ((2, 10), [3, 9])],
)
def test_a_rung_is_reached_by_the_report_at_or_after_it(steps, expected):
    reported = trial(dict.fromkeys(steps, 1.0))
    assert Rungs(1, 3).just_reached(reported) == expected


@pytest.mark.parametrize(
    ("rung", "expected"), [(2, 20.0), (3, 40.0), (4, 40.0), (5, None), (6, None)]
)
def test_the_value_at_a_rung_is_the_first_at_or_after_it_and_never_nan(rung, expected):
    values = {1: 10.0, 2: 20.0, 4: 40.0, 5: math.nan}
    assert value_at(trial(values), rung) == expected


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, 3), "min_resource must be >= 1"), ((1, 1), ">= 2, got 1")]
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rungs(*arguments)
