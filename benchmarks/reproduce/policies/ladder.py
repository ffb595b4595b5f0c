"""Ladders: plain successive halving whose rungs and numbers were tuned on recorded curves."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.curves import Floats
from hpo.simulate.run import Run
from hpo.simulate.synchronous import climb

# Configurations and epochs of the pool on which the ladders were tuned.
_LADDER_POOL, _LADDER_EPOCHS = 163, 100


def ladder(losses: Floats, rungs: Sequence[int], keep: Sequence[int]) -> Run:
    """Keep the best `keep[i]` configurations at epoch `rungs[i]`, and train the last to the end.

    For 163 configurations and 100 epochs. For other N and E, rungs scale with E and numbers with
    N, both rounded and at least 1; of rungs at the same epoch the first counts.

    Raises:
        ValueError: no rung is left below E.
    """
    n, n_epochs = losses.shape
    scaled: dict[int, int] = {}
    for rung, number in zip(rungs, keep, strict=True):
        epoch = max(round(rung * n_epochs / _LADDER_EPOCHS), 1)
        if epoch < n_epochs:
            scaled.setdefault(epoch, max(round(number * n / _LADDER_POOL), 1))
    if not scaled:
        raise ValueError(f"no rung of {list(rungs)} is left for {n_epochs} epochs")
    return climb(losses, scaled)
