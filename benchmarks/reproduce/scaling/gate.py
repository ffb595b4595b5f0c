"""Policies behind a gate: the workers of a measurement begin when all of them are ready.

On two cores the imports of 96 processes take as long as a whole sweep on 24 nodes. A worker builds
its pruner when everything else is ready; here it then waits for the others.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from commons.asha import AshaPruner
from hpo.search.promotion import PromotionPruner

_LIMIT_S = 240.0


class GatedAsha(AshaPruner):
    """ASHA as published, by the value at epochs 1, 3, 9, ...: what falls behind is stopped.

    Args:
        gate: folder seen by all workers, empty at first.
        n_workers: to wait for.
        min_resource, reduction_factor: of `hpo.AshaPruner`.
    """

    def __init__(
        self, gate: str, n_workers: int, *, min_resource: int, reduction_factor: int
    ) -> None:
        super().__init__(min_resource, reduction_factor, "last")
        wait_for_others(Path(gate), n_workers)


class GatedPromotion(PromotionPruner):
    """ASHA by promotion as published: trials pause at epochs 1, 3, 9, ..., the best go on.

    Args:
        gate: folder seen by all workers, empty at first.
        n_workers: to wait for.
        min_resource, reduction_factor, max_resource: of `hpo.PromotionPruner`.
    """

    def __init__(
        self,
        gate: str,
        n_workers: int,
        *,
        min_resource: int,
        reduction_factor: int,
        max_resource: int,
    ) -> None:
        super().__init__(min_resource, reduction_factor, max_resource, "last")
        wait_for_others(Path(gate), n_workers)


def wait_for_others(gate: Path, n_workers: int, limit_s: float = _LIMIT_S) -> None:
    """Return when so many processes have called this; outside a SLURM job at once.

    Raises:
        TimeoutError: they have not within the limit.
    """
    if "SLURM_JOB_ID" not in os.environ:  # the command that submits
        return
    gate.mkdir(parents=True, exist_ok=True)
    (gate / str(os.getpid())).touch()
    deadline = time.monotonic() + limit_s
    while (n := len(list(gate.iterdir()))) < n_workers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{n} of {n_workers} workers were ready within {limit_s:.0f} s")
        time.sleep(0.1)
