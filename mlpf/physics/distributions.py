"""Curves of values one by one: how they are distributed, and what share of them passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpf.physics.results import Curve, Values, divide, numbers
from mlpf.physics.statistics import wilson


def histogram(
    names: tuple[str, str, str], labels: tuple[str, str], values: Values, edges: Values
) -> Curve:
    """Return how many of `values` are in each bin; those beyond the edges are in no bin.

    Args:
        names: name, selection and column of the curve.
        labels: of x and y.
        values: shape (n,).
        edges: shape (k + 1,), ascending.
    """
    return from_counts(names, labels, np.histogram(values, edges)[0].astype(np.float64), edges)


def from_counts(
    names: tuple[str, str, str], labels: tuple[str, str], counts: Values, edges: Values
) -> Curve:
    """Return a histogram of which the counts, shape (k,), are known."""
    return Curve(
        *names,
        *labels,
        unit="",
        edges=[float(f"{edge:.6g}") for edge in edges],
        values=numbers(counts),
        errors=[None] * len(counts),
        n=np.rint(counts).astype(int).tolist(),
        kind="histogram",
    )


def shares(
    names: tuple[str, str, str],
    labels: tuple[str, str],
    values: Values,
    passed: NDArray[np.bool_],
    edges: Sequence[float],
) -> Curve:
    """Return the share of `values` in each bin that has passed, with Wilson errors.

    An infinite last edge is shown as twice the one before it.
    """
    total = np.histogram(values, edges)[0].astype(np.float64)
    hits = np.histogram(values[passed], edges)[0].astype(np.float64)
    errors = zip(*map(numbers, wilson(hits, total)), strict=True)
    shown = [*edges[:-1], 2 * edges[-2] if np.isinf(edges[-1]) else edges[-1]]
    return Curve(
        *names,
        *labels,
        unit="",
        edges=[float(edge) for edge in shown],
        values=numbers(divide(hits, total)),
        errors=[list(pair) for pair in errors],
        n=total.astype(int).tolist(),
    )
