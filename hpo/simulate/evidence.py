"""How much repeated draws from one table of curves can tell.

Two pools of n of N trainings share n / N of their rows, and often their best training. A hundred
draws of a small table then repeat a few experiments, and the spread between them says nothing
about other trainings. So draws are counted by their winners, the best trainings of the pools.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpo.curves import Floats

MIN_INDEPENDENT = 10.0  # with fewer, an error of an error bar exceeds a quarter of it


@dataclass(frozen=True)
class Evidence:
    """The draws of some sweeps.

    Attributes:
        winners: of each draw, what its best training is; draws with the same one are no
            independent experiments.
        overlap: share of the rows of a pool that another pool has too, on average, in [0, 1].
    """

    winners: tuple[int, ...]
    overlap: float = 0.0

    @property
    def independent(self) -> float:
        """Effective number of independent draws: 1 / sum of p^2, p the share of each winner.

        >>> Evidence((5, 5, 5, 5)).independent, Evidence((1, 2, 3, 3)).independent
        (1.0, 2.6666666666666665)
        """
        n = len(self.winners)
        return n**2 / sum(count**2 for count in Counter(self.winners).values())

    @property
    def allows_errors(self) -> bool:
        """Whether standard errors and tests mean something."""
        return self.independent >= MIN_INDEPENDENT

    def __str__(self) -> str:
        text = (
            f"{len(self.winners)} draws, which share {self.overlap:.0%} of their rows, have "
            f"{len(set(self.winners))} different best trainings: as good as "
            f"{self.independent:.1f} independent draws"
        )
        return text if self.allows_errors else f"{text}, too few for error bars or tests"

    def error_of_share(self, share: float) -> float | None:
        """Return the standard error of a share in [0, 1], None if it would mean nothing.

        Two successes and two failures are added (Agresti and Coull, 1998): even 100 % has one.
        """
        if not self.allows_errors:
            return None
        n = self.independent + 4
        p = (share * self.independent + 2) / n
        return math.sqrt(p * (1 - p) / n)

    def error_of_mean(self, values: Floats) -> float | None:
        """Return the standard error of the mean of a value per draw, None as for shares."""
        if not self.allows_errors or not np.isfinite(values).all():
            return None
        return float(values.std(ddof=1) / math.sqrt(self.independent))

    def sign_test(self, won: Sequence[int]) -> float | None:
        """Return the exact two-sided p-value, with one vote for each winner; None as for shares.

        Args:
            won: of each draw 1, -1, or 0 without a difference.
        """
        if not self.allows_errors:
            return None
        votes: Counter[int] = Counter()
        for winner, sign in zip(self.winners, won, strict=True):
            votes[winner] += sign
        ahead = sum(vote > 0 for vote in votes.values())
        return sign_test(ahead, sum(vote < 0 for vote in votes.values()))


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the sign test.

    >>> sign_test(5, 0), sign_test(2, 3), sign_test(0, 0)
    (0.0625, 1.0, 1.0)
    """
    n = wins + losses
    tail = sum(math.comb(n, i) for i in range(min(wins, losses) + 1))
    return min(1.0, tail / 2.0 ** (n - 1))


def gap(final: float, pool: Floats) -> float:
    """Return how far a final loss is from the best of a pool, in [0, 1].

    0: the best; 1: the median of those trainings that did not diverge, or worse. Unlike the share
    of sweeps within a tolerance, it does not hang on near ties.

    Args:
        final: inf if no trial finished.
        pool: shape (N,), the final losses of all trainings; inf: diverged.
    """
    best = float(pool.min())
    if final <= best:
        return 0.0
    median = float(np.median(pool[np.isfinite(pool)]))
    return min(1.0, (final - best) / (median - best)) if median > best else 1.0
