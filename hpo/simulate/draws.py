"""The rows of a table for a simulated sweep and for an earlier study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpo.curves import CurveTable
from hpo.simulate.synchronous import pool_sizes

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Variant:
    """Rows that are removed from a table to see how far a result depends on a few rows.

    Attributes:
        drop_best: number of best rows to remove.
        drop_half_of_best: of this many best rows that are left, a random half is removed.
        earlier_groups: number of configurations whose trainings form an earlier study.
    """

    drop_best: int = 0
    drop_half_of_best: int = 0
    earlier_groups: int = 0


@dataclass(frozen=True)
class Draw:
    """Rows of a table for one simulated sweep.

    Attributes:
        removed: rows that the sweep does not use, those of the earlier study included.
        earlier: rows of the earlier study, without those removed from the table.
        pool: as many as Hyperband takes, in random order.
    """

    removed: Rows
    earlier: Rows
    pool: Rows


def draw(table: CurveTable, seed: int, variant: Variant) -> Draw:
    """Draw the rows of sweep number `seed`: the same for every method.

    Raises:
        ValueError: too few rows are left.
    """
    by_loss = np.argsort(table.losses[:, -1], kind="stable")
    best = by_loss[variant.drop_best :][: variant.drop_half_of_best]
    half = np.random.default_rng([seed, 1]).permutation(best)[: len(best) // 2]
    dropped = np.concatenate([by_loss[: variant.drop_best], half])
    groups = np.random.default_rng([seed, 2]).permutation(np.unique(table.groups))
    seen = np.flatnonzero(np.isin(table.groups, groups[: variant.earlier_groups]))
    removed = np.union1d(dropped, seen)
    left = np.setdiff1d(np.arange(len(table)), removed)
    n = sum(pool_sizes(len(left), table.n_epochs))
    pool = np.random.default_rng(seed).permutation(left)[:n]
    return Draw(removed, np.setdiff1d(seen, dropped), pool)
