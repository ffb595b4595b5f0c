import math

import numpy as np
import pytest

from commons.ranking import RANKINGS, Opinions, Order, by_last, by_two_opinions, ranking_of


def curve(*values):
    return dict(enumerate(values, 1))


def test_the_last_value_is_that_of_the_first_report_at_or_after_a_rung():
    values = {1: 3.0, 4: 2.0, 6: math.nan}
    assert by_last(values, 1, 1, 7) == Opinions((3.0, 7, 7), None)
    assert by_last(values, 2, -1, 7) == Opinions((-2.0, 7, 7), None)
    assert by_last(values, 5, 1, 7) is None
    assert by_last(values, 9, 1, 7) is None


def test_the_level_is_the_mean_of_the_last_quarter_and_the_trend_one_more_change_like_the_last():
    values = curve(*[8.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.0, 1.0])  # two of eight steps
    level, trend = by_two_opinions(values, 8, 1, 7)
    assert level == (2.0, 7, 7)
    assert trend == (2.0 + (2.0 - 5.0), 7, 7)  # one of four steps
    level, trend = by_two_opinions(values, 8, -1, 7)
    assert (level[0], trend[0]) == (-2.0, 1.0)


def test_steps_that_jump_and_nan_before_a_rung_leave_the_values_that_are_known():
    level, trend = by_two_opinions({3: 9.0, 9: 6.0, 10: math.nan, 12: 4.0}, 11, 1, 7)
    assert level == (4.0, 7, 7)  # of 10 to 12
    assert trend == (4.0 + (4.0 - 6.0), 7, 7)  # half of 12 steps is the report at 9
    assert by_two_opinions({3: 9.0, 10: math.nan}, 10, 1, 7) is None
    assert by_two_opinions({3: 9.0}, 4, 1, 7) is None


@pytest.mark.parametrize("last", [math.inf, -math.inf])
def test_infinite_values_have_a_place(last):
    level, trend = by_two_opinions(curve(1.0, 1.0, 2.0, last), 4, 1, 7)
    assert level[0] == trend[0] == last
    level, trend = by_two_opinions(curve(-last, last, last, last), 4, 1, 7)
    assert level[0] == trend[0] == last


def test_equal_curves_share_a_place_only_if_they_have_not_moved():
    flat, other, moved = curve(0.1, 0.1), {2: 0.1}, curve(0.2, 0.1)
    order = Order()
    for number, values in enumerate([moved, moved, flat, other, curve(0.3, 0.3)]):
        order.set(number, by_two_opinions(values, 2, 1, number))
    # Both opinions: 2 and 3 have not moved. The trend of 0 and 1 is better, 0.1 + (0.1 - 0.2).
    assert [order.place(number) for number in range(5)] == [1, 3, 0, 0, 4]


def combined(opinions):
    """The definition: level and trend pick one trial each in turn, without repetitions."""
    by_level = sorted(opinions, key=lambda number: opinions[number].level)
    by_trend = sorted(opinions, key=lambda number: opinions[number].trend or (0, 0, 0))
    turns = zip(by_level, by_trend if opinions[by_level[0]].trend else by_level, strict=True)
    return list(dict.fromkeys(number for turn in turns for number in turn))


@pytest.mark.parametrize("name", RANKINGS)
def test_places_are_those_of_picking_in_turn_while_trials_come_change_and_go(name):
    rng, order, known = np.random.default_rng(0), Order(), {}
    for _ in range(300):
        number = int(rng.integers(40))
        opinions = RANKINGS[name](curve(*rng.integers(0, 6, size=8) / 4), 8, 1, number)
        if rng.random() < 0.3:
            opinions = None
        order.set(number, opinions)
        known.pop(number, None)
        known |= {} if opinions is None else {number: opinions}
        expected = combined(known) if known else []
        assert len(order) == len(known)
        assert [order.place(each) for each in expected] == [*range(len(expected))]
        assert [*order.best_of(order)] == expected
        some = Order()
        for each in expected[1::3]:
            some.set(each, known[each])
        assert [*order.best_of(some)] == expected[1::3]
    assert order.place(100) is None


def test_an_unknown_ranking_is_refused():
    assert ranking_of("last") is by_last
    with pytest.raises(ValueError, match="ranking must be two_opinions or last, got 'first'"):
        ranking_of("first")


@pytest.mark.parametrize("with_trend", [True, False])
def test_being_among_the_best_is_having_such_a_place(with_trend):
    random, order = np.random.default_rng(1), Order()
    for number in range(60):
        level, trend = random.integers(0, 20, 2).astype(float)
        key = (trend, number, number) if with_trend else None
        order.set(number, Opinions((level, number, number), key))
    for number in range(0, 60, 7):
        order.set(number, None)
    for n in (0, 1, 5, 20, 59):
        told = [order.is_among(number, n) for number in range(60)]
        places = [order.place(number) for number in range(60)]
        assert told == [place is not None and place < n for place in places]


@pytest.mark.parametrize(
    ("rung", "expected"), [(2, 20.0), (3, 40.0), (4, 40.0), (5, None), (6, None)]
)
def test_the_value_at_a_rung_is_the_first_at_or_after_it_and_never_nan(rung, expected):
    values = {1: 10.0, 2: 20.0, 4: 40.0, 5: math.nan}
    opinions = by_last(values, rung, 1, 7)
    assert (opinions and opinions.level[0]) == expected
