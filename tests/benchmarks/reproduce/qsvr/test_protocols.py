import numpy as np
import pytest
from sklearn.metrics import r2_score

from benchmarks.reproduce.qsvr.protocols import (
    PublishedSpace,
    few_of_pool,
    first_few,
    most,
    swapped_r2,
    without_worst,
)
from qsvr.benchmark.curves import LearningCurves


@pytest.fixture
def table():
    """60 trainings of 12 epochs; the last one ends worst."""
    final = np.linspace(1, 2, 60)
    curves = final[:, None] + np.exp(-np.arange(12) / 3)
    return LearningCurves(np.arange(60.0)[:, None] % 7, ("a",), curves)


@pytest.mark.parametrize(
    ("splitter", "n_train", "n_test"), [(first_few, 20, 30), (few_of_pool, 20, 30), (most, 47, 12)]
)
def test_splits_have_their_size_and_share_no_row(table, splitter, n_train, n_test):
    train, test = splitter(table, 5)
    assert (len(train), len(test)) == (n_train, n_test)
    assert not set(train) & set(test)
    assert max(*train, *test) < 59  # without the worst training


def test_configurations_are_on_both_sides(table):
    train, test = most(table, 5)
    groups = table.groups()
    assert set(groups[train]) & set(groups[test])


def test_the_worst_training_and_the_last_epoch_are_left_out(table):
    changed = table.curves.copy()
    changed[:, -2] = changed[::-1, -2]
    curves = LearningCurves(table.hyperparameters, table.names, changed)
    assert without_worst(curves).tolist() == [True] * 59 + [False]
    space = PublishedSpace(curves, 3)
    assert space.n_rows == 59
    everything = np.arange(59)
    target = space.fold((everything, everything))[0].target
    np.testing.assert_array_equal(np.argsort(target), everything[::-1])


def test_scales_see_the_test_rows(table):
    train, test = few_of_pool(table, 0)
    changed = table.curves.copy()
    changed[test] += 1
    before, _ = PublishedSpace(table, 3).fold((train, test))
    other = LearningCurves(table.hyperparameters, table.names, changed)
    after, _ = PublishedSpace(other, 3).fold((train, test))
    assert not np.array_equal(before.points, after.points)


def test_the_arguments_of_r2_are_swapped():
    target, predicted = np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, 1.5])
    assert r2_score(target, predicted) == pytest.approx(1 - 0.5 / 2)
    assert swapped_r2(target, predicted) == pytest.approx(1 - 0.5 / 0.5)
