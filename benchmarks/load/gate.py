"""ASHA behind a gate: the workers of the benchmark begin when all of them are ready.

On two cores the imports of 96 processes take longer than the whole sweep. A worker builds its
pruner when everything else is ready; here it then waits for the others, and that counts as
start-up.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from benchmarks.load import probe
from commons.asha import AshaPruner


class GatedASHA(AshaPruner):
    """ASHA whose constructor waits until `n_workers` processes have called it.

    Args:
        folder: seen by all workers, empty at first.
        n_workers: to wait for; 0: none.
        spread_s: the workers begin at random times within this interval.
        limit_s: the longest wait; then the worker fails.
        starter: the process that has started the command; the command itself does not wait.
        min_resource: see `hpo.AshaPruner`.
        reduction_factor: see `hpo.AshaPruner`.
    """

    def __init__(
        self,
        folder: str,
        n_workers: int,
        spread_s: float,
        limit_s: float,
        starter: int,
        min_resource: int = 1,
        reduction_factor: int = 3,
    ) -> None:
        super().__init__(min_resource, reduction_factor, "last")
        if os.getppid() != starter:
            _wait(Path(folder), n_workers, limit_s)
            time.sleep(random.SystemRandom().uniform(0, spread_s))
            probe.start(Path(folder) / "probes" / str(os.getpid()))


def _wait(folder: Path, n_workers: int, limit_s: float) -> None:
    ready = folder / "ready"
    ready.mkdir(parents=True, exist_ok=True)
    (ready / str(os.getpid())).touch()
    deadline = time.monotonic() + limit_s
    while (n := len(list(ready.iterdir()))) < n_workers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{n} of {n_workers} workers were ready within {limit_s:.0f} s")
        time.sleep(0.5)
