import numpy as np
import pytest

from mlpf.physics.distributions import from_counts, histogram, shares
from mlpf.physics.statistics import Residuals

NAMES, LABELS = ("a", "all", "mlpf"), ("x [GeV]", "events")


def test_values_are_counted_inside_of_the_edges_only():
    curve = histogram(NAMES, LABELS, np.array([-9.0, 0.5, 0.6, 1.5, 9.0]), np.array([0.0, 1, 2]))
    assert (curve.values, curve.n, curve.kind) == ([2, 1], [2, 1], "histogram")
    assert (curve.name, curve.selection, curve.column) == NAMES
    assert (curve.x_label, curve.y_label, curve.edges) == (*LABELS, [0, 1, 2])


def test_counts_of_narrow_bins_are_spread_over_wide_ones():
    bins = Residuals(-1, 10, scale=0.002)
    values = np.random.default_rng(1).normal(0, 0.2, 5000).clip(-1)
    counts = np.bincount(bins.index(values), minlength=bins.n).astype(float)
    edges = np.linspace(-0.5, 0.5, 12)
    expected = np.histogram(values, edges)[0]
    found = from_counts(NAMES, LABELS, bins.rebinned(counts, edges), edges)
    np.testing.assert_allclose(found.values, expected, atol=0.2 * expected.max())
    assert sum(found.values) == pytest.approx(expected.sum(), rel=0.01)


def test_residuals_that_are_0_are_all_in_the_middle_bin():
    bins = Residuals(-1, 10, scale=0.002)
    counts = np.bincount(bins.index(np.zeros(7)), minlength=bins.n).astype(float)
    np.testing.assert_allclose(bins.rebinned(counts, np.array([-1, -0.1, 0.1, 1])), [0, 7, 0])


def test_shares_have_wilson_errors_and_an_open_last_bin():
    values, passed = np.array([1.0, 1.0, 1.0, 1.0, 500.0]), np.array([1, 1, 1, 0, 1], bool)
    curve = shares(NAMES, LABELS, values, passed, (0.0, 5.0, 10.0, np.inf))
    assert curve.values == [0.75, None, 1.0]
    assert curve.n == [4, 0, 1]
    assert curve.edges == [0, 5, 10, 20]
    below, above = curve.errors[0]
    assert 0.75 - below == pytest.approx((3 + 0.5 - (0.75 + 0.25) ** 0.5) / 5, rel=1e-6)
    assert above < below
    assert curve.errors[1] == [None, None]
