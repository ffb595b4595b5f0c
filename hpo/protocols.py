"""What the command of a sweep, its launcher and its workers expect of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from omegaconf import DictConfig

from hpo.ranks import Group

# Variables with which a launcher tells a worker what share of the machine it has, and since when
# its job waits (Unix time).
CORES, GPUS, SUBMITTED = "HPO_CORES", "HPO_GPUS", "HPO_SUBMITTED"


class Stopped(Exception):
    """The workers were ended on purpose, e.g. with `scancel`; says who did it and how to go on."""


class Crew(Protocol):
    """The workers of one command."""

    @property
    def status(self) -> Callable[[], str] | None:
        """A function that returns where the jobs are, as text; None: they are processes here."""

    def work(self, n_workers: int, n_waiting: int) -> list[str] | None:
        """Start missing workers; return when there is reason to look at the study again.

        There should be up to `n_workers`; `n_waiting` trials wait for one. None: there are
        workers, or none is needed; else they have ended, and the texts say what went wrong.

        Raises:
            Stopped: they were ended on purpose.
        """

    def leave(self) -> None:
        """Do what an interruption of the command means for the workers."""

    def drain(self) -> bool:
        """Start no more workers and wait a little; return whether some still run."""

    def finish(self) -> None:
        """End what is left of them when the study is finished."""


@runtime_checkable
class CheckedLauncher(Protocol):
    """A Hydra launcher that can find a mistake in its settings before it has jobs."""

    def check(self) -> Any:
        """Return what its settings describe, an `hpo.launch.slurm.site.Slurm` if that is a site.

        The jobs of a site outlive the command that submits them.
        """


@runtime_checkable
class MachineLauncher(Protocol):
    """A Hydra launcher that divides this machine among its jobs."""

    def n_workers(self, wanted: int | None) -> int:
        """Return how many workers a sweep has; None: what fits. Raises SweepError: too many."""


@runtime_checkable
class SweepWorker(Protocol):
    """A task function that works on many trials, maybe together with other ranks."""

    def __call__(self, config: DictConfig) -> Any:
        """Work as the rank that leads."""

    def join(self, group: Group) -> None:
        """Train trials with the other ranks of this group."""

    def follow(self) -> None:
        """Work as a rank that does what the leading one says."""

    def rehearse(self) -> None:
        """Do what each process would do at first, before this one is forked for them."""

    def composed(self, overrides: Sequence[str]) -> DictConfig | None:
        """Return the configuration of a worker with these overrides; None: only Hydra can."""
