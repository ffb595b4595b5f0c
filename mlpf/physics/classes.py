"""Which class an algorithm gives to the elements: definitions of [Pata2021]_.

With C[j, k] the number of elements of true class j that were given class k: efficiency =
C[k, k] / sum_j C[k, j], fake rate = 1 - C[k, k] / sum_j C[j, k], and f1 = 2 C[k, k] / (sum_j
C[k, j] + sum_j C[j, k]).

.. [Pata2021] arXiv:2101.08578.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.physics.results import MLPF, RULES, Curve, Result, Values, divide, numbers, ratio_row
from mlpf.physics.results import rows as rows_of
from mlpf.physics.sample import Answer, Indices, Sample, class_names
from mlpf.physics.statistics import wilson
from mlpf.schema import N_CLASSES, Particle

KINDS: Final = ("all", "towers", "tracks")
_CELLS: Final = N_CLASSES**2


def given_class(answer: Answer) -> Indices:
    """Return the class of each element, shape (M,)."""
    return answer.classes[:, 0].astype(np.int64)


class ClassFigure:
    """Accuracy, efficiency, fake rate, F1 and confusion, of all elements, towers and tracks.

    Args:
        columns: of the answers, in the order of the samples.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.width = len(columns) * 2 * _CELLS

    def count(self, sample: Sample) -> Indices:
        """Return the counts of towers, then of tracks, per algorithm, true and given class."""
        parts = []
        for column in self.columns:
            given = given_class(sample.answers[column])
            code = (sample.is_track * N_CLASSES + sample.true_class) * N_CLASSES + given
            parts.append(sample.count(code, 2 * _CELLS))
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield rows per kind of element, and a confusion curve per true class."""
        shape = (len(sums), len(self.columns), 2, N_CLASSES, N_CLASSES)
        towers, tracks = np.moveaxis(sums.reshape(shape), 2, 0)
        for kind, confusion in zip(KINDS, (towers + tracks, towers, tracks), strict=True):
            by_column = dict(zip(self.columns, np.moveaxis(confusion, 1, 0), strict=True))
            yield from _accuracy(kind, by_column)
            for particle in range(N_CLASSES):
                yield from _of_class(kind, particle, by_column)


def _accuracy(kind: str, confusion: dict[str, Values]) -> Iterator[Result]:
    n = _n(confusion)
    name = "accuracy" if kind == "all" else f"{kind.removesuffix('s')}_accuracy"
    right = {c: divide(np.trace(m, axis1=1, axis2=2), m.sum((1, 2))) for c, m in confusion.items()}
    yield from rows_of(name, kind, right, n)


def _of_class(kind: str, k: int, confusion: dict[str, Values]) -> Iterator[Result]:
    name = class_names()[k]
    selection = name if kind == "all" else f"{kind}, {name}"
    right = {column: m[:, k, k] for column, m in confusion.items()}
    true = {column: m[:, k, :].sum(1) for column, m in confusion.items()}
    given = {column: m[:, :, k].sum(1) for column, m in confusion.items()}
    n_true = int(max((v[0] for v in true.values()), default=0))
    n_given = {column: int(v[0]) for column, v in given.items()}
    efficiency = {c: divide(right[c], true[c]) for c in right}
    fake = {c: 1 - divide(right[c], given[c]) for c in right}
    f1 = {c: divide(2 * right[c], true[c] + given[c]) for c in right}
    yield from rows_of("efficiency", selection, efficiency, n_true)
    yield from rows_of("fake_rate", selection, fake, n_given)
    yield from rows_of("f1", selection, f1, n_true)
    for column, m in confusion.items():
        yield _confusion(selection, column, m[0, k])


def _confusion(selection: str, column: str, counts: Values) -> Curve:
    total = np.full(N_CLASSES, counts.sum())
    below, above = wilson(counts, total)
    return Curve(
        "confusion",
        selection,
        column,
        "given class",
        "share of true class",
        "",
        values=numbers(divide(counts, total)),
        errors=[list(pair) for pair in zip(numbers(below), numbers(above), strict=True)],
        n=counts.astype(int).tolist(),
        edges=[k - 0.5 for k in range(N_CLASSES + 1)],
    )


def _n(confusion: dict[str, Values]) -> int:
    return int(max((m[0].sum() for m in confusion.values()), default=0))


class ChargeFigure:
    """Share of the tracks with the right charge, where truth and algorithm have a particle."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.width = 2 * len(columns)

    def count(self, sample: Sample) -> Indices:
        """Return wrong and right ones per algorithm."""
        true = sample.events.ygen
        parts = []
        for column in self.columns:
            given = sample.answers[column].classes
            both = sample.is_track & (true[:, 0] != Particle.NONE) & (given[:, 0] != Particle.NONE)
            parts.append(sample.count((given[:, 1] == true[:, 1]).astype(np.int64), 2, both))
        return np.concatenate(parts, 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the rows `charge_accuracy`."""
        pairs = {c: sums[:, 2 * i : 2 * i + 2] for i, c in enumerate(self.columns)}
        right = {c: divide(pair[:, 1], pair.sum(1)) for c, pair in pairs.items()}
        n = {c: int(pair[0].sum()) for c, pair in pairs.items()}
        yield from rows_of("charge_accuracy", "tracks", right, n)


class OperatingPoint:
    """Fake rate of neutral hadrons where the network finds as many of them as the rules do.

    The network's elements are taken in the order of their probability to be a neutral hadron.
    """

    _EDGES: Final = np.linspace(-12, 12, 601)  # of log(p / (1 - p))

    def __init__(self) -> None:
        self._n = len(self._EDGES) + 1
        self.width = 2 * self._n + 3

    def count(self, sample: Sample) -> Indices:
        """Return others and neutral hadrons per bin; those the rules give, give rightly, all."""
        answer = sample.answers[MLPF]
        assert answer.probabilities is not None
        true = sample.true_class == Particle.NEUTRAL_HADRON
        rules = given_class(sample.answers[RULES]) == Particle.NEUTRAL_HADRON
        bins = np.digitize(_logit(answer.probabilities[:, Particle.NEUTRAL_HADRON]), self._EDGES)
        scores = sample.count(bins + self._n * true, 2 * self._n)
        ones = np.zeros(len(true), np.int64)
        marks = [sample.count(ones, 1, where) for where in (rules, rules & true, true)]
        return np.concatenate([scores, *marks], 1)

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield `fake_rate_at_rules_efficiency` and its ratio to the rules."""
        others, hadrons = sums[:, : self._n], sums[:, self._n : 2 * self._n]
        n_rules, right, n_true = sums[:, -3], sums[:, -2], sums[:, -1]
        found = [_others_at(*draw) for draw in zip(others, hadrons, right, strict=True)]
        fake = {
            RULES: 1 - divide(right, n_rules),
            MLPF: divide(found, np.asarray(found) + right),
        }
        n = int(n_true[0])
        name = "fake_rate_at_rules_efficiency"
        yield from rows_of(name, "neutral_hadron", fake, n)
        yield from ratio_row(f"{name}_ratio", "neutral_hadron", fake, n)


def _logit(p: NDArray[np.floating]) -> Values:
    p = p.astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p) - np.log1p(-p))


def _others_at(others: Values, hadrons: Values, n_right: float) -> float:
    """Return how many others come before the `n_right`-th neutral hadron."""
    before = np.concatenate([[0.0], np.cumsum(hadrons[::-1])])
    passed = np.concatenate([[0.0], np.cumsum(others[::-1])])
    last = int(np.searchsorted(before, n_right))  # the bin in which it lies
    if last == 0:
        return 0.0
    share = (n_right - before[last - 1]) / max(before[last] - before[last - 1], 1.0)
    return float(passed[last - 1] + share * (passed[last] - passed[last - 1]))
