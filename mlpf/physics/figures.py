"""All figures of a set of events, and the ones that validation looks at."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np

from commons.extras import remedy
from mlpf.data.events import Events
from mlpf.physics.accumulator import Accumulator, CountFigure, ItemFigure
from mlpf.physics.classes import ChargeFigure, ClassFigure, OperatingPoint
from mlpf.physics.differential import DifferentialFigure
from mlpf.physics.events import MetFigure, MultiplicityFigure
from mlpf.physics.jet_figures import GENERATOR, MASSLESS, JetFigure
from mlpf.physics.jets import has_fastjet
from mlpf.physics.momentum import DirectionFigure, MomentumFigure
from mlpf.physics.results import MLPF, RULES, Row
from mlpf.physics.sample import Answer, Sample
from mlpf.physics.sanity import CalibrationFigure, SanityFigure
from mlpf.schema import N_CLASSES, N_X, N_Y

_USUAL: Final = ("all", "eta<2.5")  # selections that a key does not name
_ONE_SELECTION: Final = (
    *("tower_accuracy", "track_accuracy", "charge_accuracy"),
    *("fake_rate_at_rules_efficiency", "fake_rate_at_rules_efficiency_ratio"),
)
NO_FASTJET: Final = f"jets: the package fastjet is not installed: {remedy('fastjet', 'jets')}"


def all_figures(
    columns: Sequence[str],
    *,
    n_draws: int = 200,
    seed: int = 1,
    jet_pt_min: float | None = None,
    generator: bool = False,
) -> Accumulator:
    """Return every figure of the answers `columns`: `rules`, `mlpf` or both.

    Args:
        columns: in this order; the network's answer has probabilities.
        n_draws: bootstrap draws of the events, for the errors.
        seed: of the draws.
        generator: compare also with the generator information, which all events then have.
        jet_pt_min: see `JetFigure`. Without the package fastjet there are no jets.
    """
    items = _of_events(columns, generator=generator)
    if has_fastjet():
        kinds = ["", MASSLESS, *([GENERATOR] if generator else [])]
        items.append(JetFigure(columns, pt_min=jet_pt_min, kinds=kinds))
    return Accumulator(_of_elements(columns), items, n_draws=n_draws, seed=seed)


def _of_elements(columns: Sequence[str]) -> list[CountFigure]:
    figures: list[CountFigure] = [
        ClassFigure(columns),
        ChargeFigure(columns),
        DifferentialFigure(columns),
        MomentumFigure(columns),
        DirectionFigure(columns),
        SanityFigure(columns),
    ]
    if MLPF in columns:
        figures.append(CalibrationFigure())
    if MLPF in columns and RULES in columns:
        figures.append(OperatingPoint())
    return figures


def _of_events(columns: Sequence[str], *, generator: bool = False) -> list[ItemFigure]:
    return [MetFigure(columns, generator=generator), MultiplicityFigure(columns)]


def key(name: str, selection: str) -> str:
    """Return the name of a figure of the network as a training logs it.

    >>> key("met_ratio", "all"), key("f1", "neutral_hadron")
    ('met_ratio', 'f1_neutral_hadron')
    >>> key("jet_iqr_ratio", "eta<2.5, pt 30-100")
    'jet_iqr_ratio_pt_30_100'
    """
    parts = [] if name in _ONE_SELECTION else selection.split(", ")
    words = [name, *(part for part in parts if part not in _USUAL)]
    return re.sub(r"\W+", "_", "_".join(words))


class Catalog:
    """All figures of a network beside the rules by their keys, as `key` makes them.

    Without the package fastjet there is none of jets.
    """

    def __init__(self) -> None:
        columns = [RULES, MLPF]
        self._counts, self._items = _of_elements(columns), _of_events(columns)
        if has_fastjet():  # apart, because each takes its time
            self._items += [JetFigure(columns, kinds=[kind]) for kind in ("", MASSLESS)]
        self._keys = [
            *(_keys_of(Accumulator([figure], [], n_draws=0)) for figure in self._counts),
            *(_keys_of(Accumulator([], [figure], n_draws=0)) for figure in self._items),
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(set().union(*self._keys)))

    def accumulator(self, names: Collection[str]) -> Accumulator:
        """Return an empty accumulator of the figures that `names` need, without draws."""
        needed = [not keys.isdisjoint(names) for keys in self._keys]
        n = len(self._counts)
        counts = [f for f, is_needed in zip(self._counts, needed[:n], strict=True) if is_needed]
        items = [f for f, is_needed in zip(self._items, needed[n:], strict=True) if is_needed]
        return Accumulator(counts, copy.deepcopy(items), n_draws=0)


def values(accumulator: Accumulator) -> dict[str, float]:
    """Return the figures of the network by key, NaN for what could not be measured."""
    return {
        key(r.name, r.selection): math.nan if r.value is None else r.value
        for r in accumulator.results()
        if isinstance(r, Row) and r.column == MLPF
    }


def _keys_of(accumulator: Accumulator) -> set[str]:
    nothing = np.zeros((1, N_Y), np.float32)
    event = Events(np.zeros((1, N_X), np.float32), nothing, nothing, np.array([0, 1]))
    answer = Answer(nothing, nothing, np.full((1, N_CLASSES), 1 / N_CLASSES))
    accumulator.add(Sample.of(event, answer))
    return set(values(accumulator))
