import numpy as np
import pytest

from mlpf.physics.statistics import Residuals, weighted_quantiles, wilson

BINS = Residuals(-1, 10, scale=0.002)


def counts(values):
    return np.bincount(BINS.index(values), minlength=BINS.n)[None].astype(float)


@pytest.mark.parametrize("width", [0.01, 0.3])
def test_quantiles_and_moments_of_bins_are_those_of_the_values(width):
    values = np.random.default_rng(0).normal(0.02, width, 20_000).clip(-1)
    for q in (0.25, 0.5, 0.75):
        assert BINS.quantile(counts(values), q) == pytest.approx(
            np.quantile(values, q), abs=0.01 * width
        )
    assert BINS.std(counts(values)) == pytest.approx(values.std(), rel=0.002)
    assert BINS.mean(counts(values)) == pytest.approx(values.mean(), abs=0.002 * width)


def test_residuals_that_vanish_have_exactly_no_width():
    zero = counts(np.zeros(7))
    assert BINS.quantile(zero, 0.25) == 0
    assert BINS.std(zero) == 0


def test_values_beyond_the_bins_count_at_their_ends():
    assert BINS.index(np.array([-5.0, -1.0, 10.0, 99.0])).tolist() == [
        0,
        0,
        BINS.n - 1,
        BINS.n - 1,
    ]
    assert np.isnan(BINS.quantile(np.zeros((1, BINS.n)), 0.5))


def test_a_weight_repeats_a_value():
    values, weights = np.array([5.0, 1.0, 9.0, 2.0]), np.array([2, 3, 0, 1])
    qs = np.array([0.1, 0.5, 0.9])
    repeated = np.quantile(np.repeat(values, weights), qs, method="hazen")
    assert weighted_quantiles(values, weights, qs).tolist() == repeated.tolist()
    assert np.isnan(weighted_quantiles(values, np.zeros(4, int), qs)).all()


def test_wilson_errors_by_hand():
    below, above = wilson(np.array([0.0, 5.0]), np.array([10.0, 10.0]))
    assert below[0] == 0
    assert above[0] == pytest.approx(1 / 11)  # z^2 / (n + z^2)
    assert below[1] == pytest.approx(above[1]) == pytest.approx((10 * 0.25 + 0.25) ** 0.5 / 11)
    assert np.isnan(wilson(np.zeros(1), np.zeros(1))[0])
