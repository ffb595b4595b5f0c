"""Cuts that choose elements and events when files are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpf.data.events import Events
from mlpf.schema import X_COLUMNS

_PT = X_COLUMNS.index("pt")
_ETA = X_COLUMNS.index("eta")


@dataclass(frozen=True)
class Selection:
    """Cuts on elements, then on the number of remaining elements of each event.

    Args:
        min_pt_gev: elements (track pt, tower E_T) below are dropped; at least 0.
        max_abs_eta: elements further forward are dropped; None for no cut.
        min_elements: events with fewer elements are dropped; at least 0.
        max_elements: events with more elements are dropped; None for no cut.

    Raises:
        ValueError: a limit is negative, or `max_elements` is below `min_elements`.

    >>> x = np.zeros((3, 12))
    >>> x[:, 1] = [0.5, 2.0, 9.0]  # pt in GeV
    >>> events = Events(x, np.zeros((3, 7)), np.zeros((3, 7)), np.array([0, 1, 3]))
    >>> Selection(min_pt_gev=1.0).apply(events).sizes.tolist()
    [2]
    """

    min_pt_gev: float = 0.0
    max_abs_eta: float | None = None
    min_elements: int = 1
    max_elements: int | None = None

    def __post_init__(self) -> None:
        for name in ("min_pt_gev", "max_abs_eta", "min_elements", "max_elements"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value >= 0):
                raise ValueError(f"{name} must be >= 0, got {value}")
        if self.max_elements is not None and self.max_elements < self.min_elements:
            raise ValueError(
                f"max_elements is {self.max_elements}, below min_elements {self.min_elements}"
            )

    def apply(self, events: Events) -> Events:
        """Return the events that pass, with the elements that pass; possibly none."""
        for _, selected in self._steps(events):
            events = selected
        return events

    def culprit(self, events: Events) -> str | None:
        """Return the first cut that leaves no element, as `name=value`; None if some remain."""
        for name, selected in self._steps(events):
            if len(selected.x) == 0:
                return f"{name}={getattr(self, name)}"
        return None

    def _steps(self, events: Events) -> Iterator[tuple[str, Events]]:
        if self.min_pt_gev > 0:
            events = events.select_elements(events.x[:, _PT] >= self.min_pt_gev)
            yield "min_pt_gev", events
        if self.max_abs_eta is not None:
            events = events.select_elements(np.abs(events.x[:, _ETA]) <= self.max_abs_eta)
            yield "max_abs_eta", events
        if np.any(events.sizes < self.min_elements):  # avoids a needless copy
            events = events.take(np.flatnonzero(events.sizes >= self.min_elements))
            yield "min_elements", events
        if self.max_elements is not None:
            events = events.take(np.flatnonzero(events.sizes <= self.max_elements))
            yield "max_elements", events
