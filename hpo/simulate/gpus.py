"""The GPUs of a simulated sweep: how many a trial has, and how fast it is then.

They are handed over as `hpo.sweep.growing` does it: there are workers of each size, a worker
leaves when no trial of its size is left for it, and the command that watches submits others for
the trials that those present will not take. Jobs start in the order of their submission, none
overtakes.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from optuna.pruners import BasePruner

from hpo.growth import Growth, n_missing, read_growth
from hpo.search.growth import undecided
from hpo.search.pausing import PausingPruner

ONE = Growth({0: 1})
_Job = TypeVar("_Job")


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a sweep.

    Attributes:
        n: in all, at least as many as a trial may have.
        per_trial: how many a trial has.
        efficiency: share of the ideal speed that is left at each doubling of a trial's GPUs.

    Raises:
        ValueError: there are too few.
    """

    n: int
    per_trial: Growth = ONE
    efficiency: float = 1.0

    def __post_init__(self) -> None:
        """Check that the largest trial fits."""
        if (largest := self.per_trial.sizes[-1]) > self.n:
            raise ValueError(f"n_gpus={self.n}: a trial may have {largest}")

    @property
    def n_workers(self) -> int:
        """Workers with which a sweep begins."""
        return self.most(self.per_trial.after(0))

    @property
    def grow(self) -> bool:
        """Whether trials change their number of GPUs."""
        return len(self.per_trial.sizes) > 1

    def most(self, size: int) -> int:
        """Return how many workers of a size there may be."""
        return max(1, self.n // size)

    def speed(self, size: int) -> float:
        """Return how many times faster an epoch is on so many GPUs than on one.

        >>> [round(Gpus(8, efficiency=0.9).speed(size), 3) for size in (1, 2, 4, 8)]
        [1.0, 1.8, 3.24, 5.832]
        """
        return size * math.pow(self.efficiency, math.log2(size))


def gpus_per_trial(given: Any) -> Growth:
    """Return the GPUs of a trial that a setting means: a number, or numbers by steps done.

    Raises:
        ValueError: it is something else.

    Example:
        >>> gpus_per_trial({0: 1, 8: 2}).sizes, gpus_per_trial(4).sizes
        ([1, 2], [4])
    """
    try:
        return read_growth({0: given} if type(given) is int else given) or ONE
    except ValueError as error:
        raise ValueError(f"gpus_per_trial {error}") from error


def check_pauses(growth: Growth, pruner: BasePruner) -> None:
    """Check that trials can change their number of GPUs.

    Raises:
        ValueError: the policy does not pause them, or not at these steps.
    """
    if len(growth.sizes) < 2:
        return
    name = type(pruner).__name__
    if not isinstance(pruner, PausingPruner):
        rule = "gpus_per_trial by steps needs a policy that pauses trials"
        raise ValueError(f"{rule}, which {name} does not")
    if (step := undecided(pruner, growth)) is not None:
        rule = "gpus_per_trial: trials can change their GPUs where"
        raise ValueError(f"{rule} {name} decides, not after step {step}")


class Crews(Generic[_Job]):
    """The workers of each size, and the jobs that wait until enough GPUs are free."""

    def __init__(self, gpus: Gpus) -> None:
        self._gpus, self._n_free = gpus, gpus.n
        self._n_alive: Counter[int] = Counter()  # that wait or work, by size
        self._waiting: deque[tuple[int, _Job]] = deque()

    def missing(self, n_startable: Callable[[int], int], n_running: Counter[int]) -> list[int]:
        """Return the size of each worker to submit, as the command that watches does.

        Args:
            n_startable: trials that wait for a worker of a size.
            n_running: trials that workers have, by size.
        """
        sizes = []
        for size in self._gpus.per_trial.sizes:
            most, n_alive = self._gpus.most(size), self._n_alive[size]
            if n_alive < most:
                n = n_missing(most, n_alive, n_startable(size), n_running[size])
                sizes += [size] * n
        return sizes

    def submitted(self, size: int) -> None:
        """Count a worker that was submitted."""
        self._n_alive[size] += 1

    def queue(self, size: int, job: _Job) -> list[_Job]:
        """Add a job that needs GPUs; return the jobs that start now."""
        self._waiting.append((size, job))
        return self._start()

    def end(self, size: int) -> list[_Job]:
        """Free the GPUs of a worker; return the jobs that start now."""
        self._n_alive[size] -= 1
        self._n_free += size
        return self._start()

    def _start(self) -> list[_Job]:
        started = []
        while self._waiting and self._waiting[0][0] <= self._n_free:
            size, job = self._waiting.popleft()
            self._n_free -= size
            started.append(job)
        return started
