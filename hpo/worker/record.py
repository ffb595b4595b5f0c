"""What a worker writes into the study about itself: how it has used its time."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from hpo.attributes import WORKER, stored
from hpo.study.trial import LeasedTrial

_EVERY_S = 30.0


class WorkerRecord:
    """The figures of one worker: a study attribute, written after a trial, at most every 30 s.

    A worker that SLURM has requeued leaves one per start. Its keys: `host`, `pid`, `job` (of
    SLURM), `start` and `end` (Unix time, from when it is ready), `worked_until` (the end of its
    last trial), `start_up_s` (of the process until it is ready), `cpu_s`, `busy_s` (inside the
    application), `reporting_s` (the part of it for storing values and deciding), `n_trials`,
    `n_reports`. The name of the worker is unique in the study.
    """

    def __init__(self, storage: BaseStorage, study_id: int, name: str) -> None:
        self._storage, self._study_id = storage, study_id
        restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
        self.name = name if restarts == "0" else f"{name}.{restarts}"
        self._cpu_before_s = time.process_time()
        now = time.time()
        self._values: dict[str, Any] = {
            "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "start": now,
            "end": now,
            "worked_until": now,
            "start_up_s": _process_age_s(),
            "cpu_s": 0.0,
            "busy_s": 0.0,
            "reporting_s": 0.0,
            "n_trials": 0,
            "n_reports": 0,
        }
        earlier = stored(storage.get_study_user_attrs(study_id), WORKER + self.name)
        if earlier is not None:
            self._go_on_from(earlier)
        self.write()

    def _go_on_from(self, earlier: dict[str, Any]) -> None:
        """Add to the figures of an earlier process of this worker (`fresh_process`)."""
        kept = {key: earlier.get(key) for key in self._values if key not in ("pid", "end")}
        self._values |= {key: value for key, value in kept.items() if type(value) in (int, float)}
        self._cpu_before_s -= self._values["cpu_s"]

    def add(self, trial: LeasedTrial) -> None:
        """Count the time that this worker has spent on a trial."""
        self._values["busy_s"] += trial.seconds
        self._values["reporting_s"] += trial.reporting_s
        self._values["n_trials"] += 1
        self._values["n_reports"] += trial.n_reports

    def end_of_trial(self) -> None:
        """Note that a trial is finished or given back."""
        self._values["worked_until"] = time.time()
        if time.monotonic() - self._written > _EVERY_S:
            self.write()

    def write(self) -> None:
        """Store the figures as they are now."""
        self._written = time.monotonic()
        self._values["end"] = time.time()
        self._values["cpu_s"] = time.process_time() - self._cpu_before_s
        self._storage.set_study_user_attr(self._study_id, WORKER + self.name, dict(self._values))


def _process_age_s() -> float:
    """Return the seconds since this process was started, 0 where they are unknown."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime_s - started_ticks / os.sysconf("SC_CLK_TCK"))
