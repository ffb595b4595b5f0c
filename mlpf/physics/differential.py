"""Efficiency and fake rate per class against energy and pseudorapidity, with Wilson errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.physics.classes import given_class
from mlpf.physics.results import Curve, Result, Values, divide, numbers
from mlpf.physics.sample import Indices, Labels, Sample, class_names
from mlpf.physics.statistics import wilson
from mlpf.schema import N_CLASSES

# Label, unit, column of the labels, edges; values outside of the edges are left out.
_VARIABLES: Final = (
    ("energy", " [GeV]", 6, np.geomspace(1, 1000, 25)),
    ("eta", "", 3, np.linspace(-5, 5, 41)),
)


class DifferentialFigure:
    """Curves `efficiency` (against the true value) and `fake_rate` (against the given one)."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        # Per variable, algorithm and curve: out of it or in it, per class and bin.
        self._shapes = [
            (len(columns), 2, 2, N_CLASSES, len(edges) - 1) for *_, edges in _VARIABLES
        ]
        self._widths = [int(np.prod(shape)) for shape in self._shapes]
        self.width = sum(self._widths)

    def count(self, sample: Sample) -> Indices:
        """Return per bin and class how many were given another class, and how many the same."""
        parts = []
        for _, _, column, edges in _VARIABLES:
            for name in self.columns:
                labels = sample.answers[name].classes
                given = given_class(sample.answers[name])
                same = given == sample.true_class
                true_bin, given_bin = (
                    _bin(y, column, edges) for y in (sample.events.ygen, labels)
                )
                n = 2 * N_CLASSES * (len(edges) - 1)
                for k, bins in ((sample.true_class, true_bin), (given, given_bin)):
                    code = (same * N_CLASSES + k) * (len(edges) - 1) + bins
                    parts.append(sample.count(code, n, bins >= 0))
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the curves of each class but `none`."""
        parts = np.split(sums[0], np.cumsum(self._widths)[:-1])
        for (label, unit, _, edges), part, shape in zip(
            _VARIABLES, parts, self._shapes, strict=True
        ):
            for column, (true, given) in zip(self.columns, part.reshape(shape), strict=True):
                for k, name in enumerate(class_names()[1:], start=1):
                    other, same = true[:, k]
                    x = (f"true {label}{unit}", edges)
                    yield _curve("efficiency", name, column, x, same, other + same)
                    other, same = given[:, k]
                    x = (f"{label} of the candidate{unit}", edges)
                    yield _curve("fake_rate", name, column, x, other, other + same)


def _bin(labels: Labels, column: int, edges: Values) -> Indices:
    """Return the bin of each element, -1 outside."""
    values = np.nan_to_num(labels[:, column].astype(np.float64), nan=-np.inf)
    bins = np.searchsorted(edges, values, side="right") - 1
    return np.where(bins < len(edges) - 1, bins, -1)


def _curve(
    name: str,
    particle: str,
    column: str,
    x: tuple[str, NDArray[np.float64]],
    passed: Values,
    total: Values,
) -> Curve:
    label, edges = x
    below, above = wilson(passed, total)
    errors = [list(pair) for pair in zip(numbers(below), numbers(above), strict=True)]
    return Curve(
        name,
        particle,
        column,
        label,
        name.replace("_", " "),
        "",
        values=numbers(divide(passed, total)),
        errors=errors,
        n=total.astype(int).tolist(),
        edges=[float(f"{edge:.6g}") for edge in edges],
    )
