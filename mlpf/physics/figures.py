"""All figures of a set of events, and the ones that validation looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commons.extras import remedy
from mlpf.physics.accumulator import Accumulator, CountFigure, ItemFigure
from mlpf.physics.classes import ChargeFigure, ClassFigure, OperatingPoint
from mlpf.physics.differential import DifferentialFigure
from mlpf.physics.events import MetFigure, MultiplicityFigure
from mlpf.physics.jet_figures import JetFigure
from mlpf.physics.jets import has_fastjet
from mlpf.physics.momentum import DirectionFigure, MomentumFigure
from mlpf.physics.results import MLPF, RULES
from mlpf.physics.sanity import CalibrationFigure, SanityFigure

NO_FASTJET: Final = f"jets: the package fastjet is not installed: {remedy('fastjet', 'jets')}"


def all_figures(
    columns: Sequence[str],
    *,
    n_draws: int = 200,
    seed: int = 1,
    jet_pt_min: float | None = None,
) -> Accumulator:
    """Return every figure of the answers `columns`: `rules`, `mlpf` or both.

    Args:
        columns: in this order; the network's answer has probabilities.
        n_draws: bootstrap draws of the events, for the errors.
        seed: of the draws.
        jet_pt_min: see `JetFigure`. Without the package fastjet there are no jets.
    """
    counts: list[CountFigure] = [
        ClassFigure(columns),
        ChargeFigure(columns),
        DifferentialFigure(columns),
        MomentumFigure(columns),
        DirectionFigure(columns),
        SanityFigure(columns),
    ]
    if MLPF in columns:
        counts.append(CalibrationFigure())
    if MLPF in columns and RULES in columns:
        counts.append(OperatingPoint())
    items: list[ItemFigure] = [MetFigure(columns), MultiplicityFigure(columns)]
    jets = JetFigure(columns, pt_min=jet_pt_min)
    return Accumulator(
        counts, [*items, jets] if has_fastjet() else items, n_draws=n_draws, seed=seed
    )
