"""What runs inside an element of a SLURM job array, one process per task."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from hpo import signals
from hpo.launch.payload import Payload, exit_code, unpack, write_result
from hpo.launch.slurm.options import SlurmOptions
from hpo.protocols import CORES, GPUS, SUBMITTED, SweepWorker
from hpo.ranks import Group

_log = logging.getLogger(__name__)
_DEVICES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Place:
    """Where a task stands in its job step."""

    rank: int  # among all tasks of the element
    local_rank: int  # among those of its node
    restart: int  # how often the job was requeued
    job_id: str  # of the element, as SLURM's commands take it

    @classmethod
    def from_environment(cls) -> Place:
        """Return the place that SLURM's variables name."""
        names = ("PROCID", "LOCALID", "RESTART_COUNT")
        rank, local, restart = (int(os.environ.get(f"SLURM_{name}", "0")) for name in names)
        job_id = os.environ.get("SLURM_JOB_ID", "0")
        # The last element of an array has the job number of the array, which scontrol takes for
        # all elements.
        array, element = (os.environ.get(f"SLURM_ARRAY_{x}_ID") for x in ("JOB", "TASK"))
        if array is not None and element is not None:
            job_id = f"{array}_{element}"
        return cls(rank, local, restart, job_id)


@dataclass(frozen=True)
class ArrayTask:
    """The function that submitit runs in every task of every element.

    The payload is packed, because unpacking imports the application, whose libraries must not see
    the variables of the job step.
    """

    payload: bytes
    jobs: list[list[str]]  # overrides of each
    first: int  # number of the first job
    options: SlurmOptions
    folder: Path  # of the array
    submitted: float = 0.0  # Unix time; 0: unknown

    def __call__(self, element: int) -> None:
        """Run this task's part of element `element`."""
        place, shape = Place.from_environment(), self.options.shape
        number = element * shape.n_workers + place.rank // shape.ranks
        if number >= len(self.jobs):
            return
        local_size = min(shape.ranks, shape.tasks_per_node)
        folder = self.folder / f"ranks-{number}-{place.restart}"
        rank = place.rank % shape.ranks
        group = Group(folder, rank=rank, size=shape.ranks, local_size=local_size)
        known = occupied(self.options, os.environ) | queued(self.submitted, place.restart)
        with group.environment():
            os.environ |= known
            choose_devices(place.local_rank, local_size, shape.tasks_per_node)
            payload = unpack(self.payload)
            try:
                with signals.interrupt(once=True):
                    self._run(payload, number, group)
            except KeyboardInterrupt:
                came = signals.received()
                _log.warning("interrupted by %s", came.name if came else "itself")
                if place.rank == 0 and self.options.requeue:
                    requeue(place.job_id)
                sys.exit(0)  # another code would end the other workers of the node

    def _run(self, payload: Payload, number: int, group: Group) -> None:
        worker = payload.function
        config = payload.compose(self.jobs[number], self.first + number)
        if not isinstance(worker, SweepWorker):
            result = payload.run(config)
            write_result(result, self.folder / f"result-{self.first + number}.pkl")
            return
        worker.join(group)
        if group.rank > 0:
            HydraConfig.instance().set_config(config)
            worker.follow()
        else:
            code = exit_code(payload.run(config))  # the results of a worker are in the study
            if code:
                sys.exit(code)


def choose_devices(local_rank: int, n_devices: int, n_tasks: int) -> None:
    """Restrict a task to the `n_devices` GPUs of its trial, if SLURM shows it those of the node.

    All ranks of the trial on this node see the same GPUs. `n_tasks` tasks run on the node.
    """
    for name in _DEVICES:
        visible = [x for x in os.environ.get(name, "").split(",") if x]
        if len(visible) > n_devices and n_tasks > n_devices:
            first = local_rank // n_devices * n_devices % len(visible)
            os.environ[name] = ",".join(visible[first : first + n_devices])


def occupied(options: SlurmOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell a worker its share of the element, for `hpo.study.meter`."""
    shape = options.shape
    counts = re.findall(r"(\d+)(?:\(x(\d+)\))?", environ.get("SLURM_JOB_CPUS_PER_NODE", ""))
    cores = sum(int(cores) * int(nodes or 1) for cores, nodes in counts)
    known = {CORES: f"{cores / shape.n_workers:.6g}"} if cores else {}
    return known | {GPUS: f"{options.gpus_of_node * shape.nodes / shape.n_workers:.6g}"}


def queued(submitted: float, restart: int) -> dict[str, str]:
    """Return the variable that tells a worker since when its job waits, for its record."""
    return {SUBMITTED: f"{submitted:.3f}"} if submitted and not restart else {}


def requeue(job_id: str) -> None:
    """Put a job back into the queue, unless it was canceled or SLURM has requeued it already."""
    try:
        if state(job_id) in ("RUNNING", "PREEMPTED"):
            subprocess.run(["scontrol", "requeue", job_id], check=True, timeout=60)
            _log.info("job %s is requeued", job_id)
    except (subprocess.SubprocessError, OSError) as error:
        _log.warning("could not requeue job %s: %s", job_id, error)


def state(job_id: str) -> str:
    """Return the state of a job, as SLURM names it."""
    command = ["scontrol", "show", "job", "-o", job_id]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    fields = dict(word.partition("=")[::2] for word in answer.split() if "=" in word)
    return fields.get("JobState", "")
