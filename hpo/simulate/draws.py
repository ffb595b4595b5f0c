"""The rows of a table for a simulated sweep and for an earlier study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpo.curves import CurveTable
from hpo.simulate.synchronous import bracket_sizes, pool_sizes

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Variant:
    """How pools are drawn, and rows removed to see how far a result depends on a few of them."""

    drop_best: int = 0  # best rows to remove
    drop_half_of_best: int = 0  # best rows, of those left, of which a random half is removed
    earlier_groups: int = 0  # configurations whose trainings form an earlier study
    pool_size: int | None = None  # rows of a pool; None: as many as Hyperband takes
    pool_share: float = 0.5  # in (0, 1]: of the rows left, at most this part forms a pool


@dataclass(frozen=True)
class Draw:
    """Rows of a table for one simulated sweep."""

    removed: Rows  # that the sweep does not use, those of the earlier study included
    earlier: Rows  # of the earlier study, without those removed from the table
    pool: Rows  # in random order
    overlap: float  # in (0, 1]: share of the pool that another draw has too, on average


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
    wanted = variant.pool_size or sum(bracket_sizes(table.n_epochs))
    n = sum(pool_sizes(min(wanted, int(variant.pool_share * len(left))), table.n_epochs))
    pool = np.random.default_rng(seed).permutation(left)[:n]
    return Draw(removed, np.setdiff1d(seen, dropped), pool, n / len(left))


def best_rows(table: CurveTable, rows: Rows, n: int) -> Rows:
    """Return the rows of the n best configurations among these rows, the best first."""
    ranked = rows[np.argsort(table.losses[rows, -1], kind="stable")]
    firsts = np.unique(table.groups[ranked], return_index=True)[1]
    return ranked[np.sort(firsts)[:n]]
