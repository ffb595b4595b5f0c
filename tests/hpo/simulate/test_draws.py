import numpy as np
import pytest

from hpo.curves import CurveTable
from hpo.simulate.draws import Variant, best_rows, draw


@pytest.fixture
def thirty(random_table):
    return random_table(30, 12)


def test_a_pool_has_as_many_rows_as_hyperband_takes_in_random_order(random_table):
    fifty = random_table(50, 12)
    pool = draw(fifty, 3, Variant()).pool
    assert len(set(pool)) == 22
    np.testing.assert_array_equal(pool, draw(fifty, 3, Variant()).pool)
    assert (pool != draw(fifty, 4, Variant()).pool).any()


@pytest.mark.parametrize(
    ("variant", "n"),
    [
        (Variant(), 15),  # Hyperband would take 22: half of the table
        (Variant(drop_best=4), 13),
        (Variant(pool_size=10), 10),
        (Variant(pool_size=29), 15),
        (Variant(pool_size=29, pool_share=1.0), 29),
        (Variant(pool_share=1.0), 22),
    ],
)
def test_a_pool_does_not_exhaust_the_table_unless_asked_to(thirty, variant, n):
    drawn = draw(thirty, 0, variant)
    assert len(set(drawn.pool)) == n
    assert drawn.overlap == n / (30 - variant.drop_best)


def test_two_pools_share_as_many_rows_as_their_overlap_says(thirty):
    pools = [set(draw(thirty, seed, Variant()).pool) for seed in range(40)]
    shared = [len(a & b) / 15 for i, a in enumerate(pools) for b in pools[:i]]
    assert np.mean(shared) == pytest.approx(draw(thirty, 0, Variant()).overlap, abs=0.02)


def test_the_best_rows_are_dropped(thirty):
    best = np.argsort(thirty.losses[:, -1])
    drawn = draw(thirty, 0, Variant(drop_best=3))
    assert sorted(drawn.removed) == sorted(best[:3])
    assert not set(drawn.pool) & set(best[:3])


def test_another_random_half_of_the_best_is_dropped_in_each_order(thirty):
    best = set(np.argsort(thirty.losses[:, -1])[1:9])
    variant = Variant(drop_best=1, drop_half_of_best=8)
    halves = [set(draw(thirty, seed, variant).removed) & best for seed in range(5)]
    assert {len(half) for half in halves} == {4}
    assert len({frozenset(half) for half in halves}) > 1


def test_an_earlier_study_shares_no_configuration_with_the_pool(thirty):
    pairs = np.repeat(np.arange(15.0), 2)[:, None]
    table = CurveTable(("x",), pairs, thirty.curves)
    drawn = draw(table, 0, Variant(drop_best=2, earlier_groups=5))
    assert not set(table.groups[drawn.earlier]) & set(table.groups[drawn.pool])
    assert set(drawn.earlier) | set(np.argsort(table.losses[:, -1])[:2]) == set(drawn.removed)
    assert len(set(table.groups[drawn.earlier])) == 5


def test_if_fewer_rows_are_left_the_pool_can_have_them_all(thirty):
    drawn = draw(thirty, 0, Variant(earlier_groups=20, pool_share=1.0))
    assert sorted([*drawn.pool, *drawn.removed]) == list(range(30))


def test_too_few_rows_are_refused(thirty):
    with pytest.raises(ValueError, match="1 trainings are too few"):
        draw(thirty, 0, Variant(earlier_groups=28))


def test_the_best_rows_are_of_different_configurations():
    ends = np.array([5.0, 1.0, 2.0, 3.0, 0.0, np.inf])
    table = CurveTable(("x",), np.array([[0.0], [1], [1], [2], [3], [4]]), ends[:, None])
    rows = np.array([0, 1, 2, 3, 5])
    assert best_rows(table, rows, 2).tolist() == [1, 3]
    assert best_rows(table, rows, 9).tolist() == [1, 3, 0, 5]
    assert best_rows(table, rows, 0).tolist() == []
