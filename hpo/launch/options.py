"""Settings of the launcher `hpo_local`.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.settings import check_range


@dataclass
class LocalOptions:
    """Settings of `hydra/launcher: hpo_local`.

    Attributes:
        threads_per_worker: threads of the numerical libraries of each process; None: theirs.
        max_processes: how many run at once; None: all workers of a sweep, but of the jobs of a
            plain multirun as many as this machine has cores.
        grace_s: time that a process has to end after an interruption before it is killed (s).
        gpus_per_trial: GPUs of each process, which sees no others; where there is no GPU, 1 means
            none. 0: it sees none. With GPUs the number of processes defaults to what fits.
        workers_per_gpu: processes that share a GPU; None: one, or as many as `n_workers` asks for.
    """

    threads_per_worker: int | None = 1
    max_processes: int | None = None
    grace_s: float = 30.0
    gpus_per_trial: int = 1
    workers_per_gpu: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SettingError: one is out of range; names it.
        """
        for name in ("threads_per_worker", "max_processes", "workers_per_gpu"):
            check_range(self, name, 1)
        for name in ("grace_s", "gpus_per_trial"):
            check_range(self, name, 0)
