"""Quantiles of histograms and of weighted values, and errors of shares."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.physics.results import Values, divide

_Z: Final = 1.0  # of the Wilson interval: one standard deviation
_STEP: Final = 0.04  # relative width of a bin far from zero


class Residuals:
    """Bins for residuals around 0 that are as narrow as the residuals are small.

    The edges are scale * sinh(0.04 k), and the value 0 itself is a bin of width 0: the quantiles
    of residuals that all vanish are exactly 0.

    Args:
        low: smallest value, at most 0; smaller ones count in the first bin.
        high: largest value, above 0.
        scale: width of the narrowest bins times 25.

    >>> bins = Residuals(-1, 10, scale=0.002)
    >>> counts = np.bincount(bins.index(np.array([-0.5, 0.0, 0.0, 0.1])), minlength=bins.n)
    >>> bins.quantile(counts[None], 0.5)
    array([0.])
    """

    def __init__(self, low: float, high: float, *, scale: float) -> None:
        self.low, self.high = low, high
        below = int(np.ceil(np.arcsinh(-low / scale) / _STEP))
        above = int(np.ceil(np.arcsinh(high / scale) / _STEP))
        negative = scale * np.sinh(-_STEP * np.arange(below, -1, -1))
        self.edges = np.concatenate([negative, scale * np.sinh(_STEP * np.arange(above + 1))])
        self.n = len(self.edges) - 1
        self.centers = (self.edges[1:] + self.edges[:-1]) / 2

    def index(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the bin of each value."""
        clipped = np.clip(values.astype(np.float64), self.low, self.high)
        found = np.searchsorted(self.edges, clipped, side="left") - (clipped != 0)
        return np.asarray(np.clip(found, 0, self.n - 1), np.int64)

    def quantile(self, counts: Values, q: float) -> Values:
        """Return the quantile q of each row of `counts`, shape (D, n); NaN where it is empty."""
        summed = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, 1)], 1)
        found = [np.interp(q * row[-1], row, self.edges) for row in summed]
        return np.where(summed[:, -1] > 0, found, np.nan)

    def rebinned(self, counts: Values, edges: Values) -> Values:
        """Return the counts, shape (n,), in other bins; inside of a bin they are spread evenly.

        No edge may be 0: which side the zeros belong to is not known.
        """
        summed = np.concatenate([[0.0], np.cumsum(counts)])
        return np.diff(np.interp(edges, self.edges, summed))

    def mean(self, counts: Values) -> Values:
        """Return the mean of each row."""
        return divide(counts @ self.centers, counts.sum(1))

    def std(self, counts: Values) -> Values:
        """Return the standard deviation of each row."""
        square = divide(counts @ self.centers**2, counts.sum(1)) - self.mean(counts) ** 2
        return np.sqrt(np.maximum(square, 0.0))


def weighted_quantiles(values: Values, weights: NDArray[Any], qs: Values) -> Values:
    """Return quantiles of `values`, shape (n,), each as often as its weight; NaN without any.

    The k-th of n sorted values is the quantile (k - 1/2) / n, others are interpolated.

    >>> weighted_quantiles(np.array([3.0, 1.0]), np.array([1, 1]), np.array([0.25, 0.5]))
    array([1., 2.])
    """
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0]
    if not len(order):
        return np.full(len(qs), np.nan)
    w = weights[order]
    last = np.cumsum(w, dtype=np.float64)
    places = np.stack([last - w + 0.5, last - 0.5], 1).ravel()  # of the first and last repetition
    return np.asarray(np.interp(qs * last[-1], places, np.repeat(values[order], 2)))


def wilson(passed: Values, total: Values) -> tuple[Values, Values]:
    """Return the distances from passed / total down and up to the ends of its Wilson interval.

    The interval of one standard deviation [Wilson1927]_; NaN where `total` is 0.

    .. [Wilson1927] doi:10.1080/01621459.1927.10502953.
    """
    share, z2 = divide(passed, total), _Z**2
    center = divide(passed + z2 / 2, total + z2)
    half = divide(_Z, total + z2) * np.sqrt(np.maximum(total * share * (1 - share), 0.0) + z2 / 4)
    return np.maximum(share - center + half, 0.0), np.maximum(center + half - share, 0.0)
