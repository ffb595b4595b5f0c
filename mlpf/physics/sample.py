"""A few events with their truth and the answers of the algorithms, as figures read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.physics.bootstrap import Keys, event_keys
from mlpf.physics.results import MLPF, RULES, Values
from mlpf.schema import ElementType, Particle

Labels = NDArray[np.floating]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """The answer of an algorithm for the M elements of some events.

    Args:
        classes: shape (M, 7), columns `schema.Y_COLUMNS`, with the most probable class of each
            element: for the figures of classes.
        particles: the same with the elements that count as particles: for momenta, jets and sums.
        probabilities: shape (M, 6), of the classes; None if the algorithm gives none.
    """

    classes: Labels
    particles: Labels
    probabilities: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Sample:
    """Events and the answers about them.

    Args:
        events: with truth.
        answers: by column, `rules` and `mlpf` in this order; any of them may be absent.
    """

    events: Events
    answers: Mapping[str, Answer]

    @classmethod
    def of(cls, events: Events, mlpf: Answer | None = None, *, has_rules: bool = True) -> Sample:
        """Return the events with the rule-based answer that they carry and that of a network."""
        answers = {RULES: Answer(events.ycand, events.ycand)} if has_rules else {}
        return cls(events, answers | ({} if mlpf is None else {MLPF: mlpf}))

    @cached_property
    def keys(self) -> Keys:
        """Of the events, shape (B,), see `bootstrap.event_keys`."""
        return event_keys(self.events)

    @cached_property
    def event(self) -> Indices:
        """Number of the event of each element, shape (M,)."""
        return np.repeat(np.arange(len(self.events)), self.events.sizes)

    @cached_property
    def is_track(self) -> Mask:
        """Shape (M,); the other elements are towers."""
        return np.asarray(self.events.x[:, 0] == ElementType.TRACK)

    @cached_property
    def true_class(self) -> Indices:
        """Shape (M,)."""
        return self.events.ygen[:, 0].astype(np.int64)

    def count(self, codes: Indices, n: int, where: Mask | None = None) -> Indices:
        """Return how often each event has each code 0 to n - 1, shape (B, n).

        Args:
            codes: shape (M,), one per element.
            n: number of codes.
            where: shape (M,); which elements count, None for all.
        """
        chosen = slice(None) if where is None else where
        flat = self.event[chosen] * n + codes[chosen]
        return np.bincount(flat, minlength=len(self.events) * n).reshape(-1, n)

    def total(self, values: NDArray[np.floating]) -> Values:
        """Return the sum of `values`, shape (M,), in each event, shape (B,)."""
        sums = np.bincount(self.event, values.astype(np.float64), minlength=len(self.events))
        return sums.astype(np.float64)


def usable(labels: Labels) -> Mask:
    """Return which rows are particles with finite values; the others enter no sum and no jet."""
    return np.asarray((labels[:, 0] != Particle.NONE) & np.isfinite(labels).all(1))


def class_names() -> list[str]:
    """Return the names of the particle classes as selections have them, `photon` for 3."""
    return [particle.name.lower() for particle in Particle]
