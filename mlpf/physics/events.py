"""Figures of whole events: multiplicity, missing transverse momentum, sum of transverse momenta.

The missing transverse momentum (MET) of an event is the length of the vector sum of the transverse
momenta of all particles, not the sum of their lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from mlpf.physics.accumulator import Items, Table
from mlpf.physics.distributions import histogram
from mlpf.physics.results import (
    TRUTH,
    Curve,
    Result,
    Values,
    divide,
    number,
    ratio_row,
    row,
    spread,
)
from mlpf.physics.results import rows as rows_of
from mlpf.physics.sample import Indices, Labels, Mask, Sample, class_names, usable
from mlpf.physics.statistics import weighted_quantiles
from mlpf.schema import N_CLASSES, Particle

_GENERATOR: Final = "generator"  # table, and selection
_MET_EDGES: Final = (0.0, 30.0, 60.0, 100.0, 200.0, np.inf)
_MET_RESIDUAL_EDGES: Final = np.linspace(-102.5, 102.5, 42)  # 0 is the middle of a bin
_SHIFT_EDGES: Final = np.linspace(-1.025, 1.025, 42)
_ALL_QUARTILES: Final = np.array([0.25, 0.5, 0.75])


class MultiplicityFigure:
    """Number of particles N' of an event against the true N: (N' - N) / N and correlation."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    def measure(self, sample: Sample) -> Mapping[str, Items]:
        """Return the numbers of each class, of truth and the algorithms."""
        labels = [sample.events.ygen, *(sample.answers[c].particles for c in self.columns)]
        counts = [
            sample.count(y[:, 0].astype(np.int64), N_CLASSES, usable(y)).astype(np.float64)
            for y in labels
        ]
        return {"n": Items(np.arange(len(sample.events)), np.concatenate(counts, 1))}

    def results(self, tables: Mapping[str, Table]) -> Iterator[Result]:
        """Yield rows per class, and of all charged and all neutral particles."""
        table = tables["n"]
        numbers = table.values.reshape(len(table), 1 + len(self.columns), N_CLASSES)
        groups = {name: [k] for k, name in enumerate(class_names()) if k}
        groups |= {
            "charged": [Particle.CHARGED_HADRON, Particle.ELECTRON, Particle.MUON],
            "neutral": [Particle.NEUTRAL_HADRON, Particle.PHOTON],
        }
        for selection, classes in groups.items():
            true, *found = numbers[:, :, classes].sum(2).T
            mean = divide(table.sums(true), table.sums(np.ones(len(true))))
            yield row("multiplicity", selection, TRUTH, mean, len(table))
            by_column = dict(zip(self.columns, found, strict=True))
            yield from _multiplicity(table, selection, true, by_column)


def _multiplicity(
    table: Table, selection: str, true: Values, found: Mapping[str, Values]
) -> Iterator[Result]:
    some = true > 0
    shift: dict[str, Values] = {}
    width: dict[str, Values] = {}
    correlation: dict[str, Values] = {}
    for column, n in found.items():
        r = np.where(some, (n - true) / np.where(some, true, 1), 0.0)
        shift[column], width[column] = _moments(table, r, some)
        correlation[column] = _correlation(table, true, n)
        names = ("multiplicity_residual", selection, column)
        yield histogram(names, ("(N' - N) / N", "events"), r[some], _SHIFT_EDGES)
    n_some = int(some.sum())
    yield from rows_of("multiplicity_shift", selection, shift, n_some)
    yield from rows_of("multiplicity_std", selection, width, n_some)
    yield from rows_of("multiplicity_correlation", selection, correlation, len(table))


def _moments(table: Table, r: Values, where: Mask) -> tuple[Values, Values]:
    """Return mean and standard deviation of r over the events chosen."""
    n = table.sums(where)
    mean = divide(table.sums(r * where), n)
    square = divide(table.sums(r**2 * where), n) - mean**2
    return mean, np.sqrt(np.maximum(square, 0.0))


def _correlation(table: Table, a: Values, b: Values) -> Values:
    # Centered first: sums of squares of large numbers lose the digits that matter.
    a, b, n = a - a.mean(), b - b.mean(), table.sums(np.ones(len(a)))
    mean_a, mean_b = divide(table.sums(a), n), divide(table.sums(b), n)
    cov = divide(table.sums(a * b), n) - mean_a * mean_b
    var_a = divide(table.sums(a * a), n) - mean_a**2
    var_b = divide(table.sums(b * b), n) - mean_b**2
    product = np.maximum(var_a, 0.0) * np.maximum(var_b, 0.0)
    return divide(cov, np.where(product > 0, np.sqrt(product), 0.0))


class MetFigure:
    """Rows of MET and of the sum of transverse momenta, a curve of the response to MET.

    `met_rms` and `met_quantile68` are of the residuals of px and py against the truth, both
    together: their root mean square, and the 68 % quantile of their absolute value, which does not
    depend on tails. `sum_pt_ratio` is the sum over all events divided by the true one.

    Args:
        columns: of the answers.
        generator: compare also with the generator's MET, which includes what no detector sees.
    """

    def __init__(self, columns: Sequence[str], *, generator: bool = False) -> None:
        self.columns, self._generator = columns, generator

    def measure(self, sample: Sample) -> Mapping[str, Items]:
        """Return px, py and the sum of pt of each event, of truth and the algorithms."""
        tables = self._sums(sample)
        if self._generator:
            known = sample.events.generator
            assert known is not None
            # The particles balance what is missing.
            met = -np.stack([known.met_px, known.met_py], 1).astype(np.float64)
            tables[_GENERATOR] = Items(np.arange(len(sample.events)), met)
        return tables

    def _sums(self, sample: Sample) -> dict[str, Items]:
        labels = [sample.events.ygen, *(sample.answers[c].particles for c in self.columns)]
        values = np.stack([total for y in labels for total in _totals(sample, y)], 1)
        return {"met": Items(np.arange(len(sample.events)), values)}

    def results(self, tables: Mapping[str, Table]) -> Iterator[Result]:
        """Yield the rows and curves."""
        table = tables["met"]
        true, *found = np.moveaxis(table.values.reshape(len(table), -1, 3), 1, 0)
        by_column = dict(zip(self.columns, found, strict=True))
        yield from self._means(table, {TRUTH: true} | by_column)
        residuals = {c: y[:, :2] - true[:, :2] for c, y in by_column.items()}
        yield from _residual_rows(table, "all", residuals)
        for column, r in residuals.items():
            names, labels = (
                ("met_residual", "all", column),
                ("residual of MET x, y [GeV]", "events"),
            )
            yield histogram(names, labels, r.ravel(), _MET_RESIDUAL_EDGES)
        sum_pt = {
            c: divide(table.sums(y[:, 2]), table.sums(true[:, 2])) for c, y in by_column.items()
        }
        yield from rows_of("sum_pt_ratio", "all", sum_pt, len(table))
        yield from _response(table, true, by_column)
        if self._generator:
            expected = tables[_GENERATOR].values
            columns = {TRUTH: true} | by_column
            missed = {c: y[:, :2] - expected for c, y in columns.items()}
            yield from _residual_rows(table, _GENERATOR, missed)

    def _means(self, table: Table, values: Mapping[str, Values]) -> Iterator[Result]:
        n = table.sums(np.ones(len(table)))
        met = {c: divide(table.sums(np.hypot(y[:, 0], y[:, 1])), n) for c, y in values.items()}
        sum_pt = {c: divide(table.sums(y[:, 2]), n) for c, y in values.items()}
        yield from rows_of("met", "all", met, len(table), "GeV")
        yield from rows_of("sum_pt", "all", sum_pt, len(table), "GeV")


def _totals(sample: Sample, labels: Labels) -> list[Values]:
    pt = np.where(usable(labels), labels[:, 2], 0.0).astype(np.float64)
    direction = np.where(pt[:, None] > 0, labels[:, [5, 4]], 0.0)
    return [
        sample.total(pt * direction[:, 0]),
        sample.total(pt * direction[:, 1]),
        sample.total(pt),
    ]


def _residual_rows(
    table: Table, selection: str, residuals: Mapping[str, Values]
) -> Iterator[Result]:
    n = table.sums(np.ones(len(table)))
    rms = {c: np.sqrt(divide(table.sums((r**2).sum(1)), 2 * n)) for c, r in residuals.items()}
    core = {
        c: _quantiles(table, np.abs(r).ravel(), np.repeat(table.event, 2), np.array([0.68]))[:, 0]
        for c, r in residuals.items()
    }
    for name, columns in (("met_rms", rms), ("met_quantile68", core)):
        yield from rows_of(name, selection, columns, len(table), "GeV")
    yield from ratio_row("met_ratio", selection, rms, len(table))
    yield from ratio_row("met_quantile68_ratio", selection, core, len(table))


def _quantiles(table: Table, values: Values, event: Indices, qs: Values) -> Values:
    return np.array([weighted_quantiles(values, w[event], qs) for w in table.weights])


def _response(table: Table, true: Values, found: Mapping[str, Values]) -> Iterator[Result]:
    """Yield the median of MET / true MET in bins of true MET, rows and curves."""
    met = np.hypot(true[:, 0], true[:, 1])
    draws: dict[str, list[Values]] = {column: [] for column in found}
    counts = []
    for low, high in pairwise(_MET_EDGES):
        where = (met >= low) & (met < high) & (met > 0)
        counts.append(int(where.sum()))
        for column, y in found.items():
            ratio = np.hypot(y[where, 0], y[where, 1]) / met[where]
            quartiles = _quantiles(table, ratio, table.event[where], _ALL_QUARTILES)
            draws[column].append(quartiles[:, 1])
        selection = f"true MET {low:.0f}-{high:.0f}"
        columns = {column: values[-1] for column, values in draws.items()}
        yield from rows_of("met_response_median", selection, columns, counts[-1])
    edges = [*_MET_EDGES[:-1], 2 * _MET_EDGES[-2]]  # the last bin is open
    for column, values in draws.items():
        yield Curve(
            *("met_response_median", "all", column, "true MET [GeV]", "median of MET / true MET"),
            unit="",
            edges=edges,
            values=[number(v[0]) for v in values],
            errors=[spread(v) for v in values],
            n=counts,
        )
