"""Hydra jobs as ONE SLURM job array, submitted with submitit.

An element of the array holds one or more workers: one task on a shared node, a task per GPU where
nodes are allocated whole, a task per rank if a trial needs several GPUs. The jobs outlive the
process that submitted them; `hpo.launch.slurm.task` is what they run.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.launch.payload import Payload
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.refusal import refusal
from hpo.launch.slurm.submitit_internals import Executor, FailedJobError, environment_variables
from hpo.launch.slurm.task import ArrayTask
from hpo.settings import SettingError

_log = logging.getLogger(__name__)
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Slurm:
    """A SLURM site."""

    options: SlurmOptions

    def checked(self) -> Slurm:
        """Return this site if its commands are here, or none is needed.

        Raises:
            SettingError: a command is missing.
        """
        missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
        if missing and not self.options.dry_run:
            raise SettingError(
                "SLURM: no {} on PATH: submit on a login node, perhaps after `module load slurm`; "
                "{dry_run}=true shows the job script",
                " and no ".join(missing),
            )
        return self

    def submit(
        self, payload: Payload, jobs: Sequence[Sequence[str]], folder: Path, first: int = 0
    ) -> str:
        """Submit one array that runs jobs with these overrides; return its job number.

        All nodes must see `folder`, which holds the scripts, pickles and output.

        Raises:
            SettingError: sbatch refused.
        """
        count = n_elements(self.options, len(jobs))
        task = ArrayTask(payload.pack(), [list(job) for job in jobs], first, self.options, folder)
        paths = os.pathsep.join(path or "." for path in sys.path)
        try:
            executor = _executor(self.options, folder, count)
            with environment_variables(PYTHONPATH=paths):
                submitted = executor.map_array(task, range(count))
        except (FailedJobError, RuntimeError, OSError) as error:
            raise refusal(str(error)) from error
        return str(submitted[0].job_id).split("_")[0]

    def show_script(self, n_jobs: int, folder: Path) -> None:
        """Print the script that `submit` would hand to sbatch."""
        sys.stdout.write(job_script(self.options, n_jobs, folder))

    def states(self) -> dict[str, list[str]] | None:
        """Return the states of the user's unfinished elements by job number; None: no answer."""
        command = ["squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%i|%T"]
        try:
            answer = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
            ).stdout
        except (subprocess.SubprocessError, OSError) as error:
            _log.debug("squeue: %s", error)
            return None
        states: dict[str, list[str]] = {}
        for line in answer.splitlines():
            name, _, state = line.partition("|")
            states.setdefault(name.split("_")[0], []).append(state)
        return states

    def cancel(self, job_id: str, pending_only: bool = False) -> None:
        """Cancel an array; its workers give their trials back."""
        chosen = ["--state=PENDING"] if pending_only else []
        command = ["scancel", *chosen, job_id]
        subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S)


def n_elements(options: SlurmOptions, n_jobs: int) -> int:
    """Return how many elements of an array `n_jobs` jobs fill."""
    return -(-n_jobs // options.shape.n_workers)


def job_script(options: SlurmOptions, n_jobs: int, folder: Path) -> str:
    """Return the script of an array for `n_jobs` jobs, without submitting it."""
    count = n_elements(options, n_jobs)
    return _executor(options, folder, count).script(count)


def _executor(options: SlurmOptions, folder: Path, count: int) -> Executor:
    python = None if options.python is None else shlex.join(options.python)
    executor = Executor(folder, python=python)
    executor.update_parameters(**_parameters(options, count))
    return executor


def _parameters(options: SlurmOptions, count: int) -> dict[str, Any]:
    shape, cores = options.shape, options.cpus_per_task
    threads = [] if cores is None else [f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{cores}}}"]
    chosen: dict[str, Any] = {
        "job_name": options.name,
        "time": options.timeout_min,
        "nodes": shape.nodes,
        "ntasks_per_node": shape.tasks_per_node,
        "cpus_per_task": cores,
        "signal_delay_s": options.signal_delay_s,
        "array_parallelism": options.array_parallelism or count,
        "stderr_to_stdout": True,
        "setup": [*threads, *options.setup],
        "teardown": list(options.teardown) or None,
        "srun_args": _srun_args(options),
        "exclusive": options.exclusive or None,
        "comment": options.comment,
    }
    for key in ("partition", "account", "qos", "constraint", "nodelist", "exclude", "dependency"):
        chosen[key] = getattr(options, key)
    if options.mem_gb is not None:
        chosen["mem"] = f"{options.mem_gb:g}G"
    further: dict[str, Any] = {"requeue" if options.requeue else "no-requeue": True}
    if options.reservation is not None:
        further["reservation"] = options.reservation
    gpus = _gpus_per_node(options)
    if gpus and options.gpu_option == "gres":
        chosen["gres"] = f"gpu:{gpus}"
    elif gpus:
        chosen["gpus_per_node"] = gpus
    chosen["additional_parameters"] = {**further, **options.sbatch}
    return {k: v for k, v in chosen.items() if v is not None} | {"wckey": None}


def _gpus_per_node(options: SlurmOptions) -> int:
    if options.gpus_per_trial == 0:
        return 0
    return (options.whole_nodes and options.gpus_per_node) or options.shape.tasks_per_node


def _srun_args(options: SlurmOptions) -> list[str]:
    # If one of several ranks dies, the others would wait for it forever. Workers that train alone
    # continue when a neighbor dies.
    own = [f"--kill-on-bad-exit={int(options.shape.ranks > 1)}"]
    if options.cpus_per_task is not None:  # since SLURM 22.05 srun does not inherit it
        own.append(f"--cpus-per-task={options.cpus_per_task}")
    return [*own, *options.srun_args]
