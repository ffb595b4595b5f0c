"""Figures summed over any number of events, in memory that hardly grows with them.

There are two kinds. A figure of elements counts them in a fixed number of bins; the counts are
added, for all events and for each bootstrap draw. A figure of events or jets keeps a few numbers
of each. Counts are whole numbers, and what is kept is sorted by the content of the events, so
neither the order of the events nor how they come in batches changes a digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlpf.physics.bootstrap import Keys, Weights, draw_weights
from mlpf.physics.results import Result, Values
from mlpf.physics.sample import Indices, Sample

_BUFFERED: Final = 32  # events whose counts are multiplied with their weights at once


class CountFigure(Protocol):
    """A figure from counts of elements."""

    @property
    def width(self) -> int:
        """Number of counts."""

    def count(self, sample: Sample) -> Indices:
        """Return the counts of each event, shape (B, width)."""

    def results(self, sums: Values) -> Iterator[Result]:
        """Yield the figure from the counts of all events and of each draw, (1 + D, width)."""


@dataclass(frozen=True)
class Items:
    """Numbers of events, jets or the like: n of them."""

    event: Indices  # shape (n,), the event of each, from 0 in its sample
    values: Values  # shape (n, k)


@dataclass(frozen=True)
class Table:
    """The items of all events, sorted by the content of the events."""

    event: Indices  # shape (n,)
    values: Values  # shape (n, k)
    weights: Weights  # shape (1 + D, B), how often a draw has each event

    @cached_property
    def _weights(self) -> Values:
        return self.weights.astype(np.float64)

    def sums(self, of_items: NDArray[np.floating] | NDArray[np.bool_]) -> Values:
        """Return the sum of `of_items`, shape (n,), for all events and each draw: (1 + D,)."""
        n_events = self.weights.shape[1]
        per_event = np.bincount(self.event, of_items.astype(np.float64), minlength=n_events)
        return self._weights @ per_event

    def __len__(self) -> int:
        return len(self.event)


class ItemFigure(Protocol):
    """A figure from some numbers of each event or jet."""

    def measure(self, sample: Sample) -> Mapping[str, Items]:
        """Return the items by name; every sample must have the same names."""

    def results(self, tables: Mapping[str, Table]) -> Iterator[Result]:
        """Yield the figure from the items of all events."""


@dataclass
class Content:
    """What an accumulator has of the events."""

    sums: Values  # counts of all events and of each draw, shape (1 + D, widths of the figures)
    items: list[dict[str, list[Items]]]  # by figure and name
    keys: list[Keys] = field(default_factory=list)
    weights: list[Weights] = field(default_factory=list)
    n_events: int = 0
    n_elements: int = 0


class Accumulator:
    """Adds samples to figures.

    Args:
        counts: figures of elements.
        items: figures of events and jets.
        n_draws: bootstrap draws, at least 0; with 0 there are no errors.
        seed: of the draws.
    """

    def __init__(
        self,
        counts: Sequence[CountFigure],
        items: Sequence[ItemFigure],
        *,
        n_draws: int = 200,
        seed: int = 1,
    ) -> None:
        self.counts, self.items = counts, items
        self._n_draws, self._seed = n_draws, seed
        self._waiting: list[tuple[Weights, Indices]] = []
        sums = np.zeros((1 + n_draws, sum(figure.width for figure in counts)))
        self._content = Content(sums, [{} for _ in items])

    @property
    def n_events(self) -> int:
        """Number of events so far."""
        return self._content.n_events

    @property
    def n_elements(self) -> int:
        """Number of their elements."""
        return self._content.n_elements

    @property
    def content(self) -> Content:
        """What was added."""
        self._flush()
        return self._content

    def add(self, sample: Sample) -> None:
        """Add some events."""
        if not len(sample.events):
            return
        self._content.keys.append(sample.keys)
        weights = draw_weights(sample.keys, n_draws=self._n_draws, seed=self._seed)
        self._content.weights.append(weights)
        for figure, kept in zip(self.items, self._content.items, strict=True):
            for name, items in figure.measure(sample).items():
                kept.setdefault(name, []).append(Items(items.event + self.n_events, items.values))
        self._content.n_events += len(sample.events)
        self._content.n_elements += len(sample.event)
        if self.counts:
            counted = [figure.count(sample) for figure in self.counts]
            self._waiting.append((weights, np.concatenate(counted, 1)))
            if sum(len(counts) for _, counts in self._waiting) >= _BUFFERED:
                self._flush()

    def absorb(self, other: Accumulator) -> None:
        """Add the events of another accumulator of the same figures, draws and seed."""
        own, more = self.content, other.content
        own.keys += more.keys
        own.weights += more.weights
        own.sums += more.sums
        for kept, added in zip(own.items, more.items, strict=True):
            for name, parts in added.items():
                moved = [Items(part.event + own.n_events, part.values) for part in parts]
                kept.setdefault(name, []).extend(moved)
        own.n_events += more.n_events
        own.n_elements += more.n_elements

    def _flush(self) -> None:
        if self._waiting:
            weights, counts = zip(*self._waiting, strict=True)
            # Whole numbers below 2^53: exact, in any order.
            of_events = np.concatenate(weights, 1).astype(np.float64)
            self._content.sums += of_events @ np.concatenate(counts)
            self._waiting = []

    def results(self) -> Iterator[Result]:
        """Yield the rows and curves of all figures, for at least one event."""
        self._flush()
        widths = np.cumsum([figure.width for figure in self.counts])[:-1]
        for figure, sums in zip(
            self.counts, np.split(self._content.sums, widths, 1), strict=False
        ):
            yield from figure.results(sums)
        order = np.argsort(np.concatenate(self._content.keys), kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        weights = np.concatenate(self._content.weights, 1)[:, order]
        for item_figure, kept in zip(self.items, self._content.items, strict=True):
            yield from item_figure.results(
                {name: _table(parts, rank, weights) for name, parts in kept.items()}
            )

    def digest(self) -> str:
        """Return a short text that differs for other events, whatever their order."""
        keys = np.sort(np.concatenate([np.zeros(0, np.uint64), *self._content.keys]))
        return hashlib.sha256(keys.data).hexdigest()[:16]


def _table(parts: Sequence[Items], rank: NDArray[np.int64], weights: Weights) -> Table:
    event = rank[np.concatenate([part.event for part in parts])]
    order = np.argsort(event, kind="stable")
    values = np.concatenate([part.values for part in parts])
    return Table(event[order], values[order], weights)
