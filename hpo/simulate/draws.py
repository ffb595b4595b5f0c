"""Which rows of a table a simulated sweep meets, and which an earlier study has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpo.curves import CurveTable
from hpo.simulate.synchronous import pool_sizes

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Variant:
    """What is taken out of a table to see whether a result is a matter of a few rows.

    Attributes:
        drop_best: so many of the best rows are removed.
        drop_half_of_best: of so many best rows that are left a random half is removed.
        earlier_groups: so many configurations, with all their trainings, are an earlier study.
    """

    drop_best: int = 0
    drop_half_of_best: int = 0
    earlier_groups: int = 0


@dataclass(frozen=True)
class Draw:
    """Rows of a table for one simulated sweep.

    Attributes:
        removed: not to be met, those of the earlier study included.
        earlier: of the earlier study, without those taken out of the table.
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
