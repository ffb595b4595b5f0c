import pytest
from optuna.trial import TrialState, create_trial

from commons.rungs import HalvingRungs, SlowRungs, choose_rungs


def trial(values):
    return create_trial(state=TrialState.WAITING, value=None, intermediate_values=values)


def test_rungs_grow_by_the_reduction_factor():
    rungs = HalvingRungs(min_resource=2, reduction_factor=3)
    assert [rungs.up_to(step) for step in (0, 1, 2, 17, 18)] == [[], [], [2], [2, 6], [2, 6, 18]]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((), []), ((0,), []), ((0, 1), [1]), ((1, 2), []), ((1, 2, 3), [3]), ((2, 10), [3, 9])],
)
def test_a_rung_is_reached_by_the_report_at_or_after_it(steps, expected):
    reported = trial(dict.fromkeys(steps, 1.0))
    assert HalvingRungs(1, 3).just_reached(reported) == expected


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, 3), "min_resource must be >= 1"), ((1, 1), ">= 2, got 1")]
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HalvingRungs(*arguments)


@pytest.mark.parametrize(
    ("full", "rungs"),
    [
        (12, [2, 3, 5, 8]),
        (100, [2, 3, 5, 8, 12, 18, 27, 41, 62]),
        (200, [4, 6, 9, 14, 21, 32, 48, 72, 108]),
        (3, [2]),
        (2, []),
    ],
)
def test_a_slow_ladder_begins_at_two_percent_and_grows_by_half(full, rungs):
    slow = choose_rungs("auto", None, full, 0.5)
    assert slow.up_to(full) == rungs
    assert not rungs or slow.after(rungs[-1]) == full


def test_without_the_steps_of_a_full_trial_a_slow_ladder_has_no_end():
    slow = choose_rungs("auto", None, None, 0.5)
    assert slow.up_to(20) == [2, 3, 5, 8, 12, 18]
    assert slow.when(200).up_to(20) == [4, 6, 9, 14]
    assert choose_rungs("auto", 3, None, 0.5).when(200).up_to(40) == [4, 12, 36]
    assert choose_rungs(1, None, None, 0.5).when(200).up_to(9) == [1, 3, 9]


def test_a_slow_ladder_lets_a_share_reach_a_step():
    slow = SlowRungs(2, 0.5, 100)
    assert slow.n_best(2, {2: 100, 3: 40}.get) == int(50 * (2 / 3) ** 0.85)
    assert slow.n_best(62, {2: 100, 62: 3}.get) == int(50 * (2 / 100) ** 0.85) == 1


def test_a_full_trial_has_at_least_the_steps_of_the_first_rung():
    with pytest.raises(ValueError, match="max_resource must be >= 3, got 2"):
        choose_rungs(3, None, 2, 0.5)
