"""Efficiency, purity and response of jets.

A true jet is found if its partner (dR < 0.2, or < 0.1) is above the threshold; a reconstructed jet
above the threshold is pure if its partner is a true jet above 10 GeV. The response is the
partner's pt divided by the true one, of true jets above the threshold whose partner is above 10
GeV. At a fixed threshold an algorithm whose jets hold too much finds more, true and false ones;
so efficiency and purity are also given where all algorithms have as many jets as the rules.

Jets with massless particles on both sides show what a detector can know: the mass of a soft proton
or kaon counts in the true jets, and nothing measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final

import numpy as np

from mlpf.physics.accumulator import Items, Table
from mlpf.physics.distributions import histogram, shares
from mlpf.physics.jets import Jets, Momenta, cluster, match
from mlpf.physics.results import (
    MLPF,
    RULES,
    TRUTH,
    Curve,
    Result,
    Row,
    Values,
    divide,
    ratio_row,
)
from mlpf.physics.results import rows as rows_of
from mlpf.physics.sample import Mask, Sample
from mlpf.physics.statistics import weighted_quantiles

MASSLESS: Final = "massless"
GENERATOR: Final = "generator"
FLOOR_GEV: Final = 10.0  # jets below it are not looked at
PT_EDGES: Final = (20.0, 30.0, 45.0, 70.0, 100.0, 200.0, np.inf)
ETA_EDGES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
_MAX_ETAS: Final = (2.5, 5.0)
_DISTANCES: Final = (0.2, 0.1)
_RESPONSE_EDGES: Final = np.linspace(0.4, 1.6, 50)
_QUARTILES: Final = np.array([0.25, 0.5, 0.75])
_SIZES: Final = "elements"  # table of the number of elements of each event
_CROWDED: Final = 3000  # elements per event; at a pile-up of 20 they are 700, at 200 5,400


@dataclass(frozen=True)
class _Side:
    """The true or reconstructed jets of one algorithm and their partners."""

    table: Table  # columns pt, eta, partner's pt, dR
    pt: Values
    eta: Values
    partner: Values
    distance: Values

    @classmethod
    def of(cls, table: Table) -> _Side:
        return cls(table, *table.values.T)


class JetFigure:
    """Rows and curves of jets.

    Args:
        columns: of the answers.
        pt_min: threshold of true and reconstructed jets in GeV, at least 10; None for 30 where
            the mean event has more than 3,000 elements, as at a pile-up of 200, and 20 elsewhere.
        kinds: which truth and particles: `""`, the true particles of the elements and the
            algorithms' as they are; `massless`, the same with E = p; `generator`, the true jets
            are of the visible particles of the hard process.

    Raises:
        ValueError: `pt_min` is below 10.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        pt_min: float | None = None,
        kinds: Sequence[str] = ("", MASSLESS),
    ) -> None:
        if pt_min is not None and not pt_min >= FLOOR_GEV:
            raise ValueError(f"jet_pt_min must be >= {FLOOR_GEV:.0f} or null, got {pt_min}")
        self.columns, self._pt_min, self._kinds = columns, pt_min, kinds
        self.pt_min = pt_min  # or what was chosen for the last results

    def measure(self, sample: Sample) -> Mapping[str, Items]:
        """Return true and reconstructed jets with their partners, per algorithm."""
        clustered = self._cluster(sample)
        sizes = sample.events.sizes.astype(np.float64)
        tables = {_SIZES: Items(np.arange(len(sizes)), sizes[:, None])}
        for kind, column in product(self._kinds, self.columns):
            true = clustered[TRUTH, kind]
            found = clustered[column, "" if kind == GENERATOR else kind]
            of_true, of_found = match(true, found)
            for side, jets, partners in (("true", true, of_true), ("found", found, of_found)):
                values = [jets.pt, jets.eta, partners.pt, partners.distance]
                tables[f"{column} {side} {kind}"] = Items(jets.event, np.stack(values, 1))
        return tables

    def _cluster(self, sample: Sample) -> dict[tuple[str, str], Jets]:
        """Return the jets by column and kind."""
        labels = {TRUTH: sample.events.ygen}
        labels |= {column: sample.answers[column].particles for column in self.columns}
        momenta = {}
        for column, rows in labels.items():
            of_column = Momenta.of(rows, sample.event)
            momenta[column, ""] = of_column
            if MASSLESS in self._kinds:
                momenta[column, MASSLESS] = of_column.massless()
        if GENERATOR in self._kinds:
            momenta[TRUTH, GENERATOR] = Momenta.generated(sample.events)
        found = cluster(list(momenta.values()), len(sample.events), pt_min=FLOOR_GEV)
        return dict(zip(momenta, found, strict=True))

    def results(self, tables: Mapping[str, Table]) -> Iterator[Result]:
        """Yield the figures of all choices; `pt_min` becomes the threshold of these events."""
        crowded = tables[_SIZES].values.mean() > _CROWDED
        pt_min = self._pt_min or (30.0 if crowded else 20.0)
        self.pt_min = pt_min
        for kind in self._kinds:
            true, found = (
                {c: _Side.of(tables[f"{c} {side} {kind}"]) for c in self.columns}
                for side in ("true", "found")
            )
            mark = f", {kind}" if kind else ""
            for max_eta in _MAX_ETAS:
                figures = _JetRows(true, found, max_eta, pt_min, f"eta<{max_eta:g}{mark}")
                yield from figures.results()


@dataclass(frozen=True)
class _JetRows:
    """The results of one choice of particles and pseudorapidity."""

    true: Mapping[str, _Side]
    found: Mapping[str, _Side]
    max_eta: float
    pt_min: float
    selection: str

    def results(self) -> Iterator[Result]:
        yield from self._numbers()
        for distance in _DISTANCES:
            mark = "" if distance == max(_DISTANCES) else f", dr<{distance:g}"
            yield from self._shares(f"{self.selection}{mark}", distance)
        yield from self._at_equal_number()
        yield from self._responses()
        yield from self._distributions()

    def _chosen(self, side: _Side) -> Mask:
        """Return which jets are above the threshold and central."""
        return np.asarray((side.pt >= self.pt_min) & (np.abs(side.eta) < self.max_eta))

    def _numbers(self) -> Iterator[Result]:
        true = next(iter(self.true.values()))
        sides = {TRUTH: true} | dict(self.found)
        draws = {}
        for column, side in sides.items():
            n_events = side.table.weights.sum(1, dtype=np.float64)
            draws[column] = divide(side.table.sums(self._chosen(side)), n_events)
        n = int(self._chosen(true).sum())
        yield from rows_of("jets_per_event", self.selection, draws, n)

    def _shares(self, selection: str, distance: float) -> Iterator[Result]:
        n_true = {c: int(self._chosen(side).sum()) for c, side in self.true.items()}
        n_found = {c: int(self._chosen(side).sum()) for c, side in self.found.items()}
        efficiency, purity = {}, {}
        for column, side in self.true.items():
            chosen = self._chosen(side)
            hit = chosen & (side.distance < distance) & (side.partner >= self.pt_min)
            efficiency[column] = divide(side.table.sums(hit), side.table.sums(chosen))
        for column, side in self.found.items():
            chosen = self._chosen(side)
            pure = chosen & (side.distance < distance)
            purity[column] = divide(side.table.sums(pure), side.table.sums(chosen))
        yield from rows_of("jet_efficiency", selection, efficiency, n_true)
        yield from rows_of("jet_purity", selection, purity, n_found)

    def _at_equal_number(self) -> Iterator[Result]:
        """Yield efficiency and purity where the network has as many jets as the rules."""
        if not (RULES in self.found and MLPF in self.found):
            return
        side = self.found[RULES]
        wanted = side.table.sums(self._chosen(side))
        draws = {
            RULES: self._above(RULES, np.full(len(wanted), self.pt_min)),
            MLPF: self._above(MLPF, _threshold(self.found[MLPF], self.max_eta, wanted)),
        }
        n = int(self._chosen(self.true[RULES]).sum())
        for i, name in enumerate(("jet_efficiency_equal_number", "jet_purity_equal_number")):
            yield from rows_of(name, self.selection, {c: d[i] for c, d in draws.items()}, n)
        thresholds = {column: values[2] for column, values in draws.items()}
        yield from rows_of("jet_threshold_equal_number", self.selection, thresholds, n, "GeV")

    def _above(self, column: str, thresholds: Values) -> tuple[Values, Values, Values]:
        """Return efficiency and purity of each draw at its threshold."""
        true, found = self.true[column], self.found[column]
        chosen = self._chosen(true)
        central = np.abs(found.eta) < self.max_eta
        efficiency, purity = np.empty(len(thresholds)), np.empty(len(thresholds))
        for i, (threshold, w) in enumerate(zip(thresholds, true.table.weights, strict=True)):
            of_true = w[true.table.event].astype(np.float64) * chosen
            of_found = w[found.table.event] * (central & (found.pt >= threshold)).astype(float)
            hit, pure = of_true @ (true.partner >= threshold), of_found @ (found.distance < np.inf)
            efficiency[i], purity[i] = divide(hit, of_true.sum()), divide(pure, of_found.sum())
        return efficiency, purity, thresholds

    def _responses(self) -> Iterator[Result]:
        yield from self._response("", (self.pt_min, np.inf), (0.0, self.max_eta))
        yield from self._response(", pt 30-100", (30.0, 100.0), (0.0, self.max_eta))
        pt_bins = [(bin_, (0.0, self.max_eta)) for bin_ in pairwise(PT_EDGES)]
        yield from self._curves("pt", "true jet pt [GeV]", pt_bins)
        if self.max_eta == max(_MAX_ETAS):
            eta_bins = [((self.pt_min, np.inf), bin_) for bin_ in pairwise(ETA_EDGES)]
            yield from self._curves("abs(eta)", "|eta| of the true jet", eta_bins)

    def _distributions(self) -> Iterator[Result]:
        for column, side in self.true.items():
            chosen = self._chosen(side) & (side.partner >= FLOOR_GEV)
            names = ("jet_response", self.selection, column)
            response = side.partner[chosen] / side.pt[chosen]
            yield histogram(names, ("pt / true pt", "jets"), response, _RESPONSE_EDGES)
            hit = (side.distance < np.inf) & (side.partner >= self.pt_min)
            yield from self._binned("jet_efficiency", column, side, hit, "true jet")
            found = self.found[column]
            yield from self._binned("jet_purity", column, found, found.distance < np.inf, "jet")

    def _binned(
        self, name: str, column: str, side: _Side, passed: Mask, of: str
    ) -> Iterator[Result]:
        """Yield the share that has passed in bins of pt and of |eta|."""
        chosen, y_label = self._chosen(side), name.removeprefix("jet_")
        for label, edges, values in (
            (f"{of} pt [GeV]", PT_EDGES, side.pt),
            (f"{of} |eta|", ETA_EDGES, np.abs(side.eta)),
        ):
            labels = (label, y_label)
            names = (name, self.selection, column)
            yield shares(names, labels, values[chosen], passed[chosen], edges)

    def _response(
        self, mark: str, pt: tuple[float, float], eta: tuple[float, float]
    ) -> Iterator[Result]:
        selection = f"{self.selection}{mark}"
        median, iqr, n = {}, {}, {}
        for column, side in self.true.items():
            quartiles, n[column] = _quartiles(side, pt, eta)
            median[column] = quartiles[:, 1]
            iqr[column] = divide(quartiles[:, 2] - quartiles[:, 0], quartiles[:, 1])
        yield from rows_of("jet_response_median", selection, median, n)
        yield from rows_of("jet_response_iqr", selection, iqr, n)
        yield from ratio_row("jet_iqr_ratio", selection, iqr, min(n.values(), default=0))

    def _curves(
        self,
        variable: str,
        label: str,
        bins: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    ) -> Iterator[Result]:
        i = 0 if variable == "pt" else 1
        edges = [bin_[i][0] for bin_ in bins] + [bins[-1][i][1]]
        edges[-1] = 2 * edges[-2] if np.isinf(edges[-1]) else edges[-1]  # the last bin is open
        found: dict[tuple[str, str], list[Row]] = {}
        for bin_ in bins:
            low, high = bin_[i]
            for result in self._response(f", {variable} {low:g}-{high:g}", *bin_):
                yield result
                assert isinstance(result, Row)
                if result.column in self.true and result.name != "jet_iqr_ratio":
                    found.setdefault((result.name, result.column), []).append(result)
        for (name, column), of_bins in found.items():
            yield Curve(
                *(name, f"{self.selection}, {variable}", column, label),
                y_label="median of pt / true pt" if "median" in name else "IQR / median",
                unit="",
                edges=edges,
                values=[each.value for each in of_bins],
                errors=[each.error for each in of_bins],
                n=[each.n for each in of_bins],
            )


def _threshold(side: _Side, max_eta: float, wanted: Values) -> Values:
    """Return per draw the pt above which there are `wanted` jets, as nearly as possible."""
    central = np.abs(side.eta) < max_eta
    order = np.argsort(-side.pt[central], kind="stable")
    pt, event = side.pt[central][order], side.table.event[central][order]
    thresholds = np.full(len(wanted), FLOOR_GEV)
    for i, (n, w) in enumerate(zip(wanted, side.table.weights, strict=True)):
        last = int(np.searchsorted(np.cumsum(w[event], dtype=np.int64), n))
        if last < len(pt):
            thresholds[i] = pt[last]
    return thresholds


def _quartiles(
    side: _Side, pt: tuple[float, float], eta: tuple[float, float]
) -> tuple[Values, int]:
    """Return the quartiles of the response, shape (1 + D, 3), and the number of jets."""
    chosen = (side.pt >= pt[0]) & (side.pt < pt[1]) & (side.partner >= FLOOR_GEV)
    chosen &= (np.abs(side.eta) >= eta[0]) & (np.abs(side.eta) < eta[1])
    response, event = side.partner[chosen] / side.pt[chosen], side.table.event[chosen]
    draws = [weighted_quantiles(response, w[event], _QUARTILES) for w in side.table.weights]
    return np.array(draws), len(response)
