"""The first events of an evaluation as `display` draws them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.evaluation.display import Display, Panel
from mlpf.network.candidates import Predicted
from mlpf.physics.jets import Momenta, cluster, has_fastjet
from mlpf.physics.results import MLPF, RULES, TRUTH
from mlpf.physics.sample import Labels

_JET_PT_MIN: Final = 20.0  # GeV


def displays(events: Events, found: Predicted) -> list[Display]:
    """Return a display of each event: truth, rules and the network's particles, with their jets.

    Args:
        events: a few.
        found: in them.
    """
    labels: dict[str, Labels] = {TRUTH: events.ygen}
    labels |= ({RULES: events.ycand} if events.has_rules else {}) | {MLPF: found.kept}
    return [
        Display(
            f"Event {number}",
            events.x[first:last],
            {column: _panel(rows[first:last]) for column, rows in labels.items()},
        )
        for number, (first, last) in enumerate(
            zip(events.offsets[:-1], events.offsets[1:], strict=True), start=1
        )
    ]


def _panel(rows: Labels) -> Panel:
    return Panel(rows, _jets(rows) if has_fastjet() else None)


def _jets(rows: Labels) -> NDArray[np.float64]:
    momenta = Momenta.of(rows, np.zeros(len(rows), np.int64))
    (jets,) = cluster([momenta], 1, pt_min=_JET_PT_MIN)
    return np.stack([jets.pt, jets.eta, jets.phi], 1)
