"""How well momenta and directions of the particles are measured.

The residual of a particle is r = (x' - x) / x with x the transverse momentum of charged and the
energy of neutral particles, over the elements where truth and all algorithms agree on the class.
Resolution: the standard deviation of r clipped to +-10 ([Pata2021]_), and the interquartile range
divided by 1 + median ([Pata2024]_).

.. [Pata2021] arXiv:2101.08578.
.. [Pata2024] doi:10.1038/s42005-024-01599-5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from mlpf.physics.distributions import from_counts
from mlpf.physics.results import TRUTH, Curve, Result, Values, divide, row
from mlpf.physics.results import rows as rows_of
from mlpf.physics.sample import Indices, Labels, Mask, Sample, class_names, usable
from mlpf.physics.statistics import Residuals
from mlpf.schema import N_CLASSES, Particle

_CLIP: Final = 10.0
_EDGES: Final = np.linspace(-1, 1, 52)  # of the distribution; 0 is inside of a bin
_NEUTRAL: Final = (Particle.NEUTRAL_HADRON, Particle.PHOTON)
_CHARGED: Final = (Particle.CHARGED_HADRON, Particle.ELECTRON, Particle.MUON)


def agreed(sample: Sample, columns: Sequence[str]) -> Mask:
    """Return the elements, shape (M,), that are a particle of the same class for all."""
    same = sample.true_class != Particle.NONE
    for column in columns:
        labels = sample.answers[column].particles
        same &= usable(labels) & (labels[:, 0] == sample.true_class)
    return np.asarray(same)


class MomentumFigure:
    """Rows `momentum_resolution` (standard deviation), `momentum_median` and `momentum_iqr`.

    Args:
        columns: of the answers.
    """

    _BINS: Final = Residuals(-1, _CLIP, scale=0.002)  # r is never below -1

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.width = len(columns) * N_CLASSES * self._BINS.n

    def count(self, sample: Sample) -> Indices:
        """Return the counts of residuals per algorithm, class and bin."""
        where, true = agreed(sample, self.columns), sample.events.ygen
        quantity = np.where(np.isin(sample.true_class, _NEUTRAL), 6, 2)  # energy or pt
        x = np.take_along_axis(true, quantity[:, None], 1)[:, 0].astype(np.float64)
        where &= x > 0
        parts = []
        for column in self.columns:
            labels = sample.answers[column].particles
            found = np.take_along_axis(labels, quantity[:, None], 1)[:, 0].astype(np.float64)
            r = np.zeros(len(x))
            r[where] = (found[where] - x[where]) / x[where]
            code = sample.true_class * self._BINS.n + self._BINS.index(r)
            parts.append(sample.count(code, N_CLASSES * self._BINS.n, where))
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield rows per class, and of all charged and all neutral particles."""
        shape = (len(sums), len(self.columns), N_CLASSES, self._BINS.n)
        by_column = dict(zip(self.columns, np.moveaxis(sums.reshape(shape), 1, 0), strict=True))
        groups = {"charged": _CHARGED, "neutral": _NEUTRAL} | {
            name: (k,) for k, name in enumerate(class_names()) if k
        }
        for selection, classes in groups.items():
            counts = {c: m[:, list(classes)].sum(1) for c, m in by_column.items()}
            yield from self._rows(selection, counts)
            if len(classes) == 1:
                for column, m in counts.items():
                    yield self._distribution(selection, column, m[0])

    def _rows(self, selection: str, counts: dict[str, Values]) -> Iterator[Result]:
        n = int(next(iter(counts.values()))[0].sum())
        statistics: dict[str, Callable[[Values], Values]] = {
            "momentum_resolution": self._BINS.std,
            "momentum_median": lambda m: self._BINS.quantile(m, 0.5),
            "momentum_iqr": self._iqr,
        }
        for name, statistic in statistics.items():
            yield from rows_of(name, selection, {c: statistic(m) for c, m in counts.items()}, n)

    def _distribution(self, selection: str, column: str, counts: Values) -> Curve:
        x = "E" if Particle[selection.upper()] in _NEUTRAL else "pt"
        labels = (f"({x}' - {x}) / {x}", "particles")
        names = ("momentum_residual", selection, column)
        return from_counts(names, labels, self._BINS.rebinned(counts, _EDGES), _EDGES)

    def _iqr(self, counts: Values) -> Values:
        low, middle, high = (self._BINS.quantile(counts, q) for q in (0.25, 0.5, 0.75))
        return divide(high - low, 1 + middle)


class DirectionFigure:
    """Rows `direction_dr_median` and `direction_dphi_median`, distances to the true direction.

    Column `truth` is the element's own direction: what an algorithm has to improve.
    """

    _BINS: Final = Residuals(0, 6, scale=0.0005)

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.width = (1 + len(columns)) * 4 * self._BINS.n

    def count(self, sample: Sample) -> Indices:
        """Return counts of distances per direction, of dR then dphi, of towers then tracks."""
        where = agreed(sample, self.columns)
        own = np.zeros_like(sample.events.ygen)
        own[:, 3:6] = sample.events.x[:, 2:5]
        directions = [own, *(sample.answers[column].particles for column in self.columns)]
        parts = []
        for labels in directions:
            dphi = angle_between(labels, sample.events.ygen)
            deta = labels[:, 3].astype(np.float64) - sample.events.ygen[:, 3]
            for distance in (np.hypot(deta, dphi), dphi):
                bins = self._BINS.index(np.nan_to_num(distance))
                code = sample.is_track * self._BINS.n + bins
                parts.append(sample.count(code, 2 * self._BINS.n, where))
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the medians for towers and tracks."""
        columns = [TRUTH, *self.columns]
        counts = sums.reshape(len(sums), len(columns), 2, 2, self._BINS.n)
        for i, name in enumerate(("direction_dr_median", "direction_dphi_median")):
            for j, kind in enumerate(("towers", "tracks")):
                n = int(counts[0, 0, i, j].sum())
                draws = [self._BINS.quantile(counts[:, k, i, j], 0.5) for k in range(len(columns))]
                yield row(f"element_{name}", kind, TRUTH, draws[0], n)
                yield from rows_of(name, kind, dict(zip(self.columns, draws[1:], strict=True)), n)


def angle_between(labels: Labels, others: Labels) -> Values:
    """Return |phi - phi'|, at most pi, of rows with the columns `schema.Y_COLUMNS`: shape (M,)."""
    sin, cos = labels[:, 4].astype(np.float64), labels[:, 5].astype(np.float64)
    sin_o, cos_o = others[:, 4].astype(np.float64), others[:, 5].astype(np.float64)
    return np.abs(np.arctan2(sin * cos_o - cos * sin_o, cos * cos_o + sin * sin_o))
