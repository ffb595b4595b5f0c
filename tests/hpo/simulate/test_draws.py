import numpy as np
import pytest

from hpo.curves import CurveTable
from hpo.simulate.draws import Variant, draw


@pytest.fixture
def thirty(random_table):
    return random_table(30, 12)


def test_a_pool_has_as_many_rows_as_hyperband_takes_in_random_order(thirty):
    pool = draw(thirty, 3, Variant()).pool
    assert len(set(pool)) == 22
    np.testing.assert_array_equal(pool, draw(thirty, 3, Variant()).pool)
    assert (pool != draw(thirty, 4, Variant()).pool).any()


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


def test_if_fewer_rows_are_left_the_pool_has_them_all(thirty):
    drawn = draw(thirty, 0, Variant(earlier_groups=20))
    assert sorted([*drawn.pool, *drawn.removed]) == list(range(30))


def test_too_few_rows_are_refused(thirty):
    with pytest.raises(ValueError, match="2 trainings are too few"):
        draw(thirty, 0, Variant(earlier_groups=28))
