"""Figures of `mlpf.evaluate` on some validation events at the end of each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray

from commons.cli import did_you_mean
from mlpf.config import check_at_least, check_share
from mlpf.data.batch import Batch
from mlpf.data.events import Events, concatenate
from mlpf.network.candidates import P_NONE_MAX
from mlpf.network.decoding import Prediction
from mlpf.physics.accumulator import Accumulator
from mlpf.physics.figures import Catalog, values
from mlpf.physics.jets import has_fastjet
from mlpf.physics.sample import Answer, Sample

WEIGHTED: Final = "weighted"
_MAX_WAITING: Final = 2**15  # elements


class ValidationPhysics:
    """Physics of the first validation events, whatever batches and ranks they are in.

    Args:
        figures: what is logged, names as `physics.figures.key` makes them. Those of jets are left
            out if the package fastjet is not installed.
        max_events: number of validation events, at least 0; with 0 nothing is computed.
        p_none_max: an element counts as a particle if its probability of class 0 is below this.
        weights: of logged values, for their weighted sum `val_weighted`; None for no sum.

    Raises:
        ValueError: a figure is not known, or a number is out of its range.

    >>> physics = ValidationPhysics(["met_ratio"], max_events=20, weights={"met_ratio": 1.0})
    >>> physics.names
    ['met_ratio']
    """

    def __init__(
        self,
        figures: Sequence[str],
        *,
        max_events: int,
        p_none_max: float = P_NONE_MAX,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        check_at_least(0, max_events=max_events)
        check_share("p_none_max", p_none_max)
        self.max_events, self.p_none_max = max_events, p_none_max
        self.weights = dict(weights or {})
        for name, weight in self.weights.items():
            if not isinstance(weight, int | float):
                raise ValueError(f"weights.{name} must be a number, got {weight}")
        self._catalog = Catalog() if max_events else None
        self.names: list[str] = []
        for name in figures if max_events else ():
            if has_fastjet() or not name.startswith("jet"):
                self.include(name)
        self._figures = self._empty()
        self._waiting: list[tuple[Events, Answer]] = []

    def known(self) -> list[str]:
        """Return the names of the figures that can be computed."""
        return [] if self._catalog is None else list(self._catalog)

    def include(self, name: str) -> None:
        """Compute a figure too.

        Raises:
            ValueError: it is not known.
        """
        if name not in self.known():
            hint = did_you_mean(name, self.known())
            raise ValueError(f"figures has {name}, which is none of mlpf.evaluate{hint}")
        if name not in self.names:
            self.names.append(name)
            self._figures = self._empty()

    def _empty(self) -> Accumulator:
        catalog = self._catalog
        return (
            Accumulator([], [], n_draws=0) if catalog is None else catalog.accumulator(self.names)
        )

    def add(self, batch: Batch, prediction: Prediction, numbers: NDArray[np.int64]) -> None:
        """Add the events of a batch that are among the first.

        Args:
            batch: events.
            prediction: for them.
            numbers: shape (B,), of each event among the validation events of all ranks.
        """
        chosen = np.flatnonzero(numbers < self.max_events)
        if not len(chosen) or not self.names:
            return
        tables = (batch.x, batch.ygen, batch.ycand, batch.offsets)
        x, ygen, ycand, offsets = (table.cpu().numpy() for table in tables)
        events = Events(x, ygen, ycand, offsets)
        rows = np.isin(np.repeat(np.arange(len(events)), events.sizes), chosen)
        self._waiting.append((events.take(chosen), self._answer(batch, prediction, rows)))
        if sum(len(events.x) for events, _ in self._waiting) >= _MAX_WAITING:
            self._flush()

    def _answer(self, batch: Batch, prediction: Prediction, rows: NDArray[np.bool_]) -> Answer:
        kept = prediction.particles(batch.x, self.p_none_max)
        # Figures of classes alone need the most probable ones.
        classes = prediction.particles(batch.x) if self._figures.counts else kept
        parts = (classes, kept, prediction.probabilities)
        return Answer(*(part.float().cpu().numpy()[rows] for part in parts))

    def _flush(self) -> None:
        """Add the waiting events together: clustering has a cost per call."""
        if not self._waiting:
            return
        events, answers = zip(*self._waiting, strict=True)
        self._waiting = []
        together = Answer(
            np.concatenate([answer.classes for answer in answers]),
            np.concatenate([answer.particles for answer in answers]),
            np.concatenate([answer.probabilities for answer in answers]),
        )
        self._figures.add(Sample.of(concatenate(events), together))

    def compute(self) -> dict[str, float]:
        """Return the figures by name from the events of all ranks, and forget the events."""
        self._flush()
        figures, self._figures = self._figures, self._empty()
        if dist.is_available() and dist.is_initialized() and self.names:
            parts: list[Accumulator] = [figures] * dist.get_world_size()
            dist.all_gather_object(parts, figures)
            figures = self._empty()
            for part in parts:
                figures.absorb(part)
        found = values(figures) if figures.n_events else {}
        return {name: found.get(name, np.nan) for name in self.names}
