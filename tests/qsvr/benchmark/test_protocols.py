import numpy as np
import pytest

from qsvr.benchmark.curves import LearningCurves
from qsvr.benchmark.protocols import (
    TrainingSpace,
    check_size,
    few,
    grouped_few,
    grouped_most,
    scaled,
)


@pytest.mark.parametrize("splitter", [grouped_few, grouped_most])
def test_no_configuration_is_on_both_sides_of_a_split(table, splitter):
    groups = table.groups()
    assert len(set(groups)) < len(groups)
    for seed in range(20):
        train, test = splitter(table, seed)
        assert not set(groups[train]) & set(groups[test])


def test_a_large_split_trains_on_four_fifths_of_the_configurations(table):
    train, test = grouped_most(table, 5)
    groups = table.groups()
    assert len(set(groups[train])) == pytest.approx(0.8 * len(set(groups)), abs=1)
    assert len(train) + len(test) == 60


def test_a_small_split_trains_on_twenty_rows(table):
    train, test = grouped_few(table, 5)
    assert len(train) == len(set(train)) == 20
    assert len(test) > 20
    assert few(np.arange(7), 0).tolist() == list(range(7))


def test_scales_do_not_see_the_test_rows(table):
    split = grouped_few(table, 0)
    test = split[1]
    changed = table.curves.copy()
    changed[test] *= 50
    hps = table.hyperparameters.copy()
    hps[test] += 9
    before, _ = TrainingSpace(table, 3).fold(split)
    after, _ = TrainingSpace(LearningCurves(hps, table.names, changed), 3).fold(split)
    for name in ("points", "features", "target"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_only_the_known_epochs_are_seen_and_the_last_one_is_the_target(table):
    everything = np.arange(60)
    trainings, _ = TrainingSpace(table, 5).fold((everything, everything))
    assert trainings.points.shape == (60, 3)  # epochs 1, 3, 5
    assert trainings.features.shape == (60, 3 + 3)
    changed = table.curves.copy()
    changed[:, 5:-1] = 0
    space = TrainingSpace(LearningCurves(table.hyperparameters, table.names, changed), 5)
    same, _ = space.fold((everything, everything))
    np.testing.assert_array_equal(trainings.features, same.features)
    order = np.argsort(table.curves[:, -1])
    np.testing.assert_array_equal(np.argsort(same.target), order)


def test_the_untrained_prediction_is_the_quantile_of_the_last_known_loss():
    known = np.arange(10.0)[:, None] + np.array([[3.0, 2.0, 1.0]])
    trainings = scaled(known, np.ones((10, 1)), known[:, -1:], np.arange(10))
    np.testing.assert_allclose(trainings.untrained, np.linspace(0, 1, 10))
    np.testing.assert_allclose(trainings.take(np.array([3])).untrained, [1 / 3])


@pytest.mark.parametrize(
    ("rows", "epochs", "configurations", "message"),
    [
        (19, 12, 19, "at least 20 trainings of 4 epochs are needed, got 19 of 12"),
        (20, 3, 20, "got 20 of 3"),
        (20, 4, 9, "at least 10 different configurations are needed, got 9"),
    ],
)
def test_a_table_that_is_too_small_is_refused(rows, epochs, configurations, message):
    hps = (np.arange(rows) % configurations)[:, None].astype(float)
    with pytest.raises(ValueError, match=message):
        check_size(LearningCurves(hps, ("a",), np.ones((rows, epochs))))


def test_the_smallest_table_is_accepted():
    hps = (np.arange(20) % 10)[:, None].astype(float)
    check_size(LearningCurves(hps, ("a",), np.ones((20, 4))))
