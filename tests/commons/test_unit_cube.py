"""The scales, and that each caller's numbers are those that its own code gave, bit for bit."""

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from commons.unit_cube import all_apart, apart, choice, to_unit

LR = FloatDistribution(1e-4, 3e-2, log=True)
DROPOUT = FloatDistribution(0.0, 0.5)
WIDTH = IntDistribution(1, 5000, log=True)
RANDOM = np.random.default_rng(1)
SAMPLES = [
    (LR, np.exp(RANDOM.uniform(math.log(1e-4), math.log(3e-2), 2000))),
    (DROPOUT, RANDOM.uniform(0, 0.5, 2000)),
    (WIDTH, RANDOM.integers(1, 5001, 2000)),
]


def test_numbers_lie_between_the_ends_of_their_range():
    np.testing.assert_allclose(to_unit(FloatDistribution(1e-6, 1e-2, log=True), 1e-4), 0.5)
    np.testing.assert_array_equal(
        to_unit(IntDistribution(2, 6), np.array([2, 3, 6])), [0, 0.25, 1]
    )


def test_choices_by_value_lie_between_the_first_and_the_last():
    choices = CategoricalDistribution([8, 16, 64, 128])
    np.testing.assert_allclose(to_unit(choices, [8, 68, 128]), [0, 0.5, 1])


def test_a_constant_is_0_in_the_shape_of_the_values():
    np.testing.assert_array_equal(to_unit(IntDistribution(3, 3), np.array([3, 3])), [0, 0])


def test_choices_that_are_numbers_have_one_coordinate_by_rank_others_one_each():
    assert choice(CategoricalDistribution([64, 8, 16]), 16) == [0.5]
    assert choice(CategoricalDistribution([True, False]), True) == [1.0]
    assert choice(CategoricalDistribution(["a", "b", None]), "b") == [0.0, 1.0, 0.0]


def test_different_choices_are_one_apart():
    letters = CategoricalDistribution(["a", "b", "c"])
    assert [apart(letters, "a", each) for each in "abc"] == [0.0, 1.0, 1.0]


def test_a_distribution_without_a_range_is_refused():
    with pytest.raises(TypeError, match="no scale for"):
        to_unit(object(), 1)


@pytest.mark.parametrize(("distribution", "values"), SAMPLES)
def test_columns_of_curves_keep_their_bits(distribution, values):
    scale = np.log if distribution.log else np.asarray
    low, high = scale(distribution.low), scale(distribution.high)
    np.testing.assert_array_equal(
        to_unit(distribution, values), (scale(values) - low) / (high - low)
    )


@pytest.mark.parametrize(("distribution", "values"), SAMPLES)
def test_parameters_of_trials_keep_their_bits(distribution, values):
    for value in values.tolist():
        low, high = distribution.low, distribution.high
        place = value
        if distribution.log:
            low, high, place = math.log(low), math.log(high), math.log(value)
        assert to_unit(distribution, value) == (place - low) / (high - low)


@pytest.mark.parametrize(("distribution", "values"), SAMPLES)
def test_distances_keep_their_bits(distribution, values):
    low, high = distribution.low, distribution.high
    for a, b in zip(values.tolist(), values[::-1].tolist(), strict=True):
        if distribution.log:
            expected = abs(math.log(a / b)) / math.log(high / low)
            from_low = math.log(a / low) / math.log(high / low)
        else:
            expected, from_low = abs(a - b) / (high - low), (a - low) / (high - low)
        assert abs(apart(distribution, b, a)) == expected
        assert apart(distribution, low, a) == from_low


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(1e-3, 10, log=True),
        FloatDistribution(-1, 1),
        IntDistribution(0, 9),
        CategoricalDistribution(("relu", True, 3)),
    ],
)
def test_many_distances_are_those_of_one_by_one(distribution):
    inner = [distribution.to_internal_repr(v) for v in VALUES[type(distribution)]]
    outer = [distribution.to_external_repr(v) for v in inner]
    for b, value in zip(inner, outer, strict=True):
        found = all_apart(distribution, np.array([*inner, np.nan]), b)
        expected = [apart(distribution, a, value) for a in outer]
        np.testing.assert_allclose(found[:-1], expected, rtol=1e-15)
        assert np.isnan(found[-1])


VALUES = {
    FloatDistribution: [0.001, 0.5, 0.9],
    IntDistribution: [0, 4, 9],
    CategoricalDistribution: ["relu", True, 3],
}
