"""What a worker writes into the study about itself: how it has used its time, and what it used."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from hpo import signals
from hpo.attributes import WORKER, stored
from hpo.protocols import SUBMITTED
from hpo.study import meter
from hpo.study.trial import LeasedTrial

_EVERY_S = 30.0
_OF_ONE_PROCESS = ("pid", "end")  # not kept by the next process of a worker
_USED = ("cpu_s", "cpu_j", "gpu_j")


class WorkerRecord:
    """The figures of one worker: a study attribute, written after a trial, at most every 30 s.

    A worker that SLURM has requeued leaves one per start. Its keys: `host`, `pid`, `job` (of
    SLURM), `start` and `end` (Unix time, from when it is ready), `worked_until` (the end of its
    last trial), `queued_s` (its job, until the process began; absent where it is not known),
    `start_up_s` (of the process until it is ready), `busy_s` (inside the application),
    `reporting_s` (the part of it for storing values and deciding), `n_trials`, `n_reports`;
    `cores` and `gpus` that it occupies; since it is ready `cpu_s` and, where they can be read,
    `cpu_j` and `gpu_j`, see `hpo.study.meter.used_since`. The name of the worker is unique in the
    study. A context manager, which writes them at its end.

    Args:
        storage: where the study is.
        study_id: Optuna's id of it.
        name: of the worker.
        start_up_s: None: since its process was started.
    """

    def __init__(
        self, storage: BaseStorage, study_id: int, name: str, start_up_s: float | None = None
    ) -> None:
        self._storage, self._study_id = storage, study_id
        restarts = int(os.environ.get("SLURM_RESTART_COUNT") or "0")
        self.name = f"{name}.{restarts}" if restarts else name
        self._begin, self._used_before = meter.read(), dict[str, float]()
        attributes = storage.get_study_user_attrs(study_id)
        now, occupied = time.time(), meter.share(os.environ)
        start_up_s = _process_age_s() if start_up_s is None else start_up_s
        self._values: dict[str, Any] = {
            "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "start": now,
            "end": now,
            "worked_until": now,
            "start_up_s": start_up_s,
            "busy_s": 0.0,
            "reporting_s": 0.0,
            "n_trials": 0,
            "n_reports": 0,
            "cores": round(occupied.cores, 3),
            "gpus": round(occupied.gpus, 3),
        }
        queued_since = _queued_since(attributes, name, restarts)
        if queued_since is not None:
            self._values["queued_s"] = max(0.0, now - start_up_s - queued_since)
        earlier = stored(attributes, WORKER + self.name)
        if earlier is not None:
            self._go_on_from(earlier)
        self.write()

    def __enter__(self) -> WorkerRecord:
        return self

    def __exit__(self, *_: object) -> None:
        with signals.shield():
            self.write()

    def _go_on_from(self, earlier: dict[str, Any]) -> None:
        """Add to the figures of an earlier process of this worker (`fresh_process`)."""
        kept = {k: v for k, v in earlier.items() if k not in _OF_ONE_PROCESS}
        numbers = {key: value for key, value in kept.items() if type(value) in (int, float)}
        self._values |= {key: value for key, value in numbers.items() if key in self._values}
        self._used_before = {key: numbers[key] for key in _USED if key in numbers}

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

    def now(self) -> dict[str, Any]:
        """Return the figures as they are now."""
        used = meter.added(self._used_before, meter.used_since(self._begin))
        return {**self._values, "end": time.time()} | {k: used[k] for k in _USED if k in used}

    def write(self) -> None:
        """Store the figures as they are now."""
        self._written = time.monotonic()
        self._storage.set_study_user_attr(self._study_id, WORKER + self.name, self.now())


def _queued_since(attributes: dict[str, Any], name: str, restarts: int) -> float | None:
    """Return since when the job of a worker waited; None: unknown, or it did not."""
    if restarts:
        last = name if restarts == 1 else f"{name}.{restarts - 1}"
        earlier = stored(attributes, WORKER + last)
        return None if earlier is None else float(earlier["end"])
    try:
        return float(os.environ[SUBMITTED])
    except (KeyError, ValueError):
        return None


def _process_age_s() -> float:
    """Return the seconds since this process was started, 0 where they are unknown."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime_s - started_ticks / os.sysconf("SC_CLK_TCK"))
