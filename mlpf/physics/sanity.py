"""Checks of the candidates: impossible four-vectors, calibration of the class probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mlpf.physics.results import MLPF, TRUTH, Curve, Result, Values, divide, number, spread
from mlpf.physics.results import rows as rows_of
from mlpf.physics.sample import Indices, Labels, Sample
from mlpf.schema import Particle

_MAX_ETA: Final = 5.2  # of the detector
_DEFECTS: Final = ("E < .95 p", "not finite", "abs(eta) > 5.2", "charged neutral")


class SanityFigure:
    """Rows `unphysical_share`: candidates with any defect, and with each of them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = [TRUTH, *columns]
        self._n = 2 + len(_DEFECTS)
        self.width = len(self.columns) * self._n

    def count(self, sample: Sample) -> Indices:
        """Return the number of candidates, of those with a defect, and of those with each."""
        ones = np.zeros(len(sample.event), np.int64)
        parts = []
        for column in self.columns:
            labels = sample.events.ygen
            if column != TRUTH:
                labels = sample.answers[column].particles
            found = labels[:, 0] != Particle.NONE
            defects = found[:, None] & _defects(labels)
            marks = np.column_stack([found, defects.any(1), defects]).T
            parts += [sample.count(ones, 1, where) for where in marks]
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the rows."""
        by_column = dict(zip(self.columns, np.split(sums, len(self.columns), 1), strict=True))
        n = {column: int(counts[0, 0]) for column, counts in by_column.items()}
        for i, selection in enumerate(("all", *_DEFECTS), start=1):
            shares = {c: divide(counts[:, i], counts[:, 0]) for c, counts in by_column.items()}
            yield from rows_of("unphysical_share", selection, shares, n)


def _defects(labels: Labels) -> Values:
    """Return which of the defects each row has, shape (M, 4) bool."""
    pid, charge, pt, eta = (labels[:, i].astype(np.float64) for i in range(4))
    energy = labels[:, 6].astype(np.float64)
    neutral = np.isin(pid, (Particle.NEUTRAL_HADRON, Particle.PHOTON))
    with np.errstate(over="ignore", invalid="ignore"):
        light = energy < 0.95 * pt * np.cosh(eta)
    return np.column_stack(
        [
            light,
            ~np.isfinite(labels).all(1),
            np.abs(eta) > _MAX_ETA,
            neutral & (charge != 0),
        ]
    )


class CalibrationFigure:
    """Row `calibration_error` and curve `reliability` of the network's class probabilities.

    The expected calibration error is the mean over elements of |accuracy - confidence| of their
    bin, in 15 bins of the confidence: the probability of the most probable class ([Guo2017]_).

    .. [Guo2017] On calibration of modern neural networks, arXiv:1706.04599.
    """

    _N_BINS: Final = 15
    _UNIT: Final = 2**20  # confidences are added as whole numbers of this

    def __init__(self) -> None:
        self.width = 6 * self._N_BINS

    def count(self, sample: Sample) -> Indices:
        """Return elements, right ones and summed confidence per bin, of towers then tracks."""
        p = sample.answers[MLPF].probabilities
        assert p is not None
        confidence = p.max(1).astype(np.float64)
        right = p.argmax(1) == sample.true_class
        bins = np.clip((confidence * self._N_BINS).astype(np.int64), 0, self._N_BINS - 1)
        whole = np.rint(confidence * self._UNIT).astype(np.int64)
        code = sample.is_track * self._N_BINS + bins
        summed = np.zeros((len(sample.events), 2 * self._N_BINS), np.int64)
        np.add.at(summed, (sample.event, code), whole)
        n, n_right = (sample.count(code, 2 * self._N_BINS, w) for w in (None, right))
        return np.concatenate([n, n_right, summed], 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the row and the curve of all elements and of towers."""
        counts = sums.reshape(len(sums), 3, 2, self._N_BINS)
        for kind, (n, right, confidence) in (
            ("all", np.moveaxis(counts.sum(2), 1, 0)),
            ("towers", np.moveaxis(counts[:, :, 0], 1, 0)),
        ):
            gap = np.abs(right - confidence / self._UNIT).sum(1)
            n_all = int(n[0].sum())
            error = {MLPF: divide(gap, n.sum(1))}
            yield from rows_of("calibration_error", kind, error, n_all)
            yield self._reliability(kind, n, right)

    def _reliability(self, kind: str, n: Values, right: Values) -> Curve:
        shares = divide(right, n)
        edges = np.linspace(0, 1, self._N_BINS + 1).round(6).tolist()
        return Curve(
            *("reliability", kind, MLPF, "confidence", "accuracy", ""),
            edges=edges,
            values=[number(v) for v in shares[0]],
            errors=[spread(draws) for draws in shares.T],
            n=n[0].astype(int).tolist(),
        )
