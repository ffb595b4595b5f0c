"""The draws from a table, and how well a sweep did on each.

Shapes: D draws, N configurations, E epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpo.curves import CurveTable, Floats
from hpo.simulate.draws import Variant, draw
from hpo.simulate.evidence import Evidence, gap
from hpo.simulate.synchronous import hyperband


@dataclass(frozen=True)
class Draws:
    """The pools of a table and what Hyperband does with each.

    Attributes:
        losses: shape (D, N, E).
        epochs: shape (D,), Hyperband's.
        finals: shape (D,), its best final losses.
        evidence: how much the draws can tell.
    """

    losses: Floats
    epochs: Floats
    finals: Floats
    evidence: Evidence

    def take(self, numbers: NDArray[np.intp]) -> Draws:
        """Return some of the draws."""
        winners = tuple(self.evidence.winners[i] for i in numbers)
        evidence = replace(self.evidence, winners=winners)
        return Draws(self.losses[numbers], self.epochs[numbers], self.finals[numbers], evidence)


def make_draws(table: CurveTable, numbers: Iterable[int], variant: Variant) -> Draws:
    """Draw the pools with these numbers."""
    drawn = [draw(table, number, variant) for number in numbers]
    losses = np.stack([table.losses[each.pool] for each in drawn])
    runs = [hyperband(pool) for pool in losses]
    best = losses[:, :, -1].argmin(axis=1)
    winners = tuple(int(each.pool[i]) for each, i in zip(drawn, best, strict=True))
    return Draws(
        losses,
        np.array([run.spent.epochs for run in runs], dtype=float),
        np.array([run.final for run in runs]),
        Evidence(winners, drawn[0].overlap),
    )


@dataclass(frozen=True)
class Measured:
    """What a method did on each draw.

    Attributes:
        share: shape (D,), of Hyperband's epochs on the same draw.
        close: shape (D,), whether the final loss is within the tolerance of Hyperband's.
        gap: shape (D,), see `hpo.simulate.evidence.gap`.
        evidence: of the draws.
    """

    share: Floats
    close: NDArray[np.bool_]
    gap: Floats
    evidence: Evidence

    @property
    def p(self) -> float:
        """Share of draws within the tolerance."""
        return float(self.close.mean())

    @property
    def mean_gap(self) -> float:
        """Mean gap."""
        return float(self.gap.mean())

    @property
    def mean_share(self) -> float:
        """Mean share of Hyperband's epochs."""
        return float(self.share.mean())


def measure(draws: Draws, tolerance: float, epochs: ArrayLike, finals: Floats) -> Measured:
    """Measure sweeps by their epochs and best final losses, each of shape (D,)."""
    return Measured(
        np.asarray(epochs) / draws.epochs,
        finals <= draws.finals + tolerance,
        _gaps(finals, draws.losses[:, :, -1]),
        draws.evidence,
    )


def won_lost(mine: Measured, other: Measured) -> tuple[int, int]:
    """Return how many draws only this one, and only the other, ended within the tolerance."""
    return int((mine.close & ~other.close).sum()), int((~mine.close & other.close).sum())


def sign_test(pairs: Iterable[tuple[Measured, Measured]]) -> float | None:
    """Return p of the sign test over tables, None if the draws are not independent enough.

    Args:
        pairs: for each table what two methods did, on the same draws.
    """
    winners: list[int] = []
    won: list[int] = []
    for table, (mine, other) in enumerate(pairs):
        winners += [table << 32 | winner for winner in mine.evidence.winners]
        won += (mine.close.astype(int) - other.close.astype(int)).tolist()
    return Evidence(tuple(winners)).sign_test(won)


def _gaps(finals: Floats, pools: Floats) -> Floats:
    return np.array([gap(float(f), pool) for f, pool in zip(finals, pools, strict=True)])
