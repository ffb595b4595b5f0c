import math

import numpy as np
import pytest

from hpo.simulate.evidence import Evidence, gap, sign_test

MANY = Evidence(tuple(range(20)), 0.1)
FEW = Evidence((1, 1, 1, 2) * 25, 0.5)  # 100 draws with two winners


def test_draws_with_the_same_winner_count_once():
    assert MANY.independent == 20
    assert FEW.independent == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert Evidence((3,) * 100).independent == 1


def test_a_small_table_gets_no_error_bars_and_is_told_why():
    assert FEW.error_of_share(0.5) is None
    assert FEW.error_of_mean(np.arange(100.0)) is None
    assert FEW.sign_test([1] * 100) is None
    assert str(FEW) == (
        "100 draws, which share 50% of their rows, have 2 different best trainings: as good as "
        "1.6 independent draws, too few for error bars or tests"
    )
    assert str(MANY).endswith("as good as 20.0 independent draws")


def test_errors_are_those_of_the_independent_draws():
    twice = Evidence(MANY.winners * 2)  # each draw repeated: no more is known
    for evidence in (MANY, twice):
        assert evidence.error_of_share(0.5) == pytest.approx(math.sqrt(0.25 / 24))
    values = np.arange(20.0)
    error = MANY.error_of_mean(values)
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(20))
    assert twice.error_of_mean(np.tile(values, 2)) == pytest.approx(error, rel=0.02)


def test_a_share_of_one_has_an_error_too():
    assert MANY.error_of_share(1.0) == pytest.approx(math.sqrt(22 / 24 * 2 / 24 / 24))


def test_a_mean_of_infinite_values_has_no_error():
    assert MANY.error_of_mean(np.array([math.inf] * 20)) is None


def test_each_winner_has_one_vote():
    won = [1] * 20 + [-1] * 10 + [0] * 10
    assert Evidence(tuple(range(40))).sign_test(won) == sign_test(20, 10)
    # The second half has the winners of the first: ten of these are won once and lost once.
    assert Evidence((*range(20), *range(20))).sign_test(won) == sign_test(10, 0)
    # A winner of thirty draws has no more votes than the others.
    assert Evidence((*range(30), *[30] * 10)).sign_test([-1] * 30 + [1] * 10) == sign_test(1, 30)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 0.03125), (0, 6, 0.03125), (9, 1, 22 / 1024)],
)
def test_the_sign_test_is_exact_and_two_sided(wins, losses, p):
    assert sign_test(wins, losses) == pytest.approx(p)


@pytest.mark.parametrize(
    ("final", "expected"), [(1.0, 0), (0.5, 0), (2.0, 0.5), (3.0, 1), (9.0, 1), (math.inf, 1)]
)
def test_the_gap_is_0_at_the_best_and_1_from_the_median_on(final, expected):
    assert gap(final, np.array([1.0, 3.0, 4.0, math.inf])) == expected


def test_pools_without_a_spread_or_a_value_have_a_gap():
    assert gap(2.0, np.array([1.0, 1.0, 1.0, 2.0])) == 1
    assert gap(math.inf, np.array([math.inf, math.inf])) == 0
