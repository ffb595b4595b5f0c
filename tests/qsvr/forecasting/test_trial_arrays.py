import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from qsvr.forecasting.trial_arrays import decision_epochs, unit_cube, values_at


def trial(values, state=TrialState.RUNNING, value=None, params=None, distributions=None):
    return create_trial(
        state=state,
        value=value,
        intermediate_values=values,
        params=params or {},
        distributions=distributions or {},
    )


@pytest.mark.parametrize(
    ("max_resource", "expected"),
    [
        (2, (1, 2)),
        (12, (1, 2, 3, 5, 8, 12)),
        (100, (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 100)),
        (200, (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200)),
    ],
)
def test_decisions_come_at_about_equal_steps_of_the_logarithm(max_resource, expected):
    assert decision_epochs(max_resource) == expected


def test_chosen_decision_epochs_end_with_the_training():
    assert decision_epochs(10, [1, 4, 20]) == (1, 4, 10)


@pytest.mark.parametrize("chosen", [[], [0, 1], [3, 2], [2, 2]])
def test_decision_epochs_that_do_not_ascend_are_refused(chosen):
    with pytest.raises(ValueError, match="decision_epochs must ascend from >= 1"):
        decision_epochs(10, chosen)


def test_a_training_of_one_epoch_has_nothing_to_decide():
    with pytest.raises(ValueError, match="max_resource must be >= 2, got 1"):
        decision_epochs(1)


def test_values_are_those_at_the_epochs_or_right_after_them():
    table = values_at([trial({1: 5.0, 2: 4.0, 4: 3.0})], (1, 3, 5, 10), sign=1)
    np.testing.assert_array_equal(table, [[5.0, 3.0, np.nan, np.nan]])


def test_only_complete_trials_have_a_final_value():
    values = {1: 5.0, 2: 4.0}
    complete = trial(values, TrialState.COMPLETE, value=3.5)
    table = values_at([complete, trial(values)], (1, 2), sign=1)
    np.testing.assert_array_equal(table, [[5.0, 3.5], [5.0, np.nan]])


def test_large_values_become_small_when_large_is_good():
    assert values_at([trial({1: 0.7})], (1, 2), sign=-1)[0, 0] == -0.7


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_unknown(value):
    assert np.isnan(values_at([trial({1: value})], (1, 2), sign=1)).all()


def test_hyperparameters_lie_between_the_ends_of_their_ranges():
    space = {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "layers": IntDistribution(1, 5),
        "width": CategoricalDistribution([16, 256, 32]),
        "norm": CategoricalDistribution([False, True]),
        "one": IntDistribution(3, 3),
    }
    params = {"lr": 1e-3, "layers": 2, "width": 32, "norm": True, "one": 3}
    cube = unit_cube([trial({}, params=params, distributions=space)])
    # layers, lr, norm, one, width
    np.testing.assert_allclose(cube, [[0.25, 0.5, 1.0, 0.5, 0.5]])


def test_choices_without_an_order_have_a_column_each():
    space = {"optimizer": CategoricalDistribution(["adam", "sgd"])}
    cube = unit_cube([trial({}, params={"optimizer": "sgd"}, distributions=space), trial({})])
    np.testing.assert_array_equal(cube, [[0.0, 1.0], [0.5, 0.5]])


def test_trials_without_hyperparameters_have_no_columns():
    assert unit_cube([trial({}), trial({})]).shape == (2, 0)
    assert unit_cube([]).shape == (0, 0)
