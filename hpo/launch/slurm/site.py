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
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpo.launch.payload import Payload
from hpo.launch.slurm.answers import is_only_now, refusal
from hpo.launch.slurm.commands import Element, End, Unanswered, ask, ends, largest_array, queue
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.setup import guarded
from hpo.launch.slurm.submitit_internals import Executor, FailedJobError, environment_variables
from hpo.launch.slurm.task import ArrayTask
from hpo.settings import SettingError

_log = logging.getLogger(__name__)


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
        work = payload.pack(), [list(job) for job in jobs], first, self.options, folder
        task = ArrayTask(*work, submitted=time.time())
        try:
            executor = _executor(self.options, folder, count)
            with environment_variables(PYTHONPATH=python_path()):
                submitted = executor.map_array(task, range(count))
        except (FailedJobError, RuntimeError, OSError) as error:
            raise refusal(str(error)) from error
        return str(submitted[0].job_id).split("_")[0]

    def validate(self) -> None:
        """Ask sbatch whether it would take a job of these options, and submit nothing.

        Raises:
            SettingError: it would not, or there is no SLURM; names the settings to change.
        """
        script = job_script(self.options, 1, Path("hpo").absolute())
        try:
            ask("sbatch", "--test-only", given=script)
        except Unanswered as answer:
            if not is_only_now(str(answer)):
                raise refusal(str(answer)) from answer
            _log.warning("SLURM: %s; the jobs will wait", answer)

    def arrays(self, n_jobs: int) -> list[tuple[Slurm, range]]:
        """Return each array that `n_jobs` jobs need (`MaxArraySize`): its site and its jobs.

        The arrays share the limit on how many elements run at once.
        """
        count, largest = n_elements(self.options, n_jobs), largest_array()
        n_arrays = 1 if largest is None else -(-count // largest)
        share = -(-count // n_arrays) * self.options.shape.n_workers
        limit = self.options.array_parallelism
        shared = None if limit is None else max(1, limit // n_arrays)
        site = Slurm(replace(self.options, array_parallelism=shared))
        starts = range(0, n_jobs, share)
        return [(site, range(start, min(start + share, n_jobs))) for start in starts]

    def confirm_size(self, n_workers: int) -> None:
        """Ask in a terminal before more than `max_workers` workers are submitted.

        Raises:
            SettingError: the answer is no, or there is no terminal.
        """
        limit = self.options.max_workers
        if n_workers <= limit:
            return
        question = (
            f"Submit {n_workers} workers ({n_elements(self.options, n_workers)} jobs)? [y/N] "
        )
        if not (sys.stdin.isatty() and input(question).strip().lower() in ("y", "yes")):
            raise SettingError(
                "{} workers are more than {max_workers}={}: take fewer, or set {max_workers}={}",
                n_workers,
                limit,
                n_workers,
            )

    def show_script(self, n_jobs: int, folder: Path) -> None:
        """Print the script that `submit` would hand to sbatch."""
        sys.stdout.write(job_script(self.options, n_jobs, folder))

    def queue(self) -> dict[str, list[Element]] | None:
        """Return the user's unfinished elements by job number; None: no answer."""
        return queue()

    def ends(self, jobs: Sequence[str]) -> list[End]:
        """Return how elements of finished arrays ended, as far as SLURM knows."""
        return ends(jobs)

    def cancel(self, job_id: str, pending_only: bool = False) -> None:
        """Cancel an array; its workers give their trials back."""
        chosen = ["--state=PENDING"] if pending_only else []
        try:
            ask("scancel", *chosen, job_id)
        except Unanswered as answer:
            _log.debug("scancel: %s", answer)


def n_elements(options: SlurmOptions, n_jobs: int) -> int:
    """Return how many elements of an array `n_jobs` jobs fill."""
    return -(-n_jobs // options.shape.n_workers)


def job_script(
    options: SlurmOptions, n_jobs: int, folder: Path, command: str | None = None
) -> str:
    """Return the script of an array for `n_jobs` jobs, without submitting it.

    It runs the shell words `command` instead of jobs, if given.
    """
    count = n_elements(options, n_jobs)
    return _executor(options, folder, count).script(count, command)


def python_path() -> str:
    """Return what a job needs as PYTHONPATH to import what this process can."""
    return os.pathsep.join(path or "." for path in sys.path)


def _executor(options: SlurmOptions, folder: Path, count: int) -> Executor:
    python = None if options.python is None else shlex.join(options.python)
    executor = Executor(folder, python=python)
    executor.update_parameters(**_parameters(options, folder, count))
    return executor


def _parameters(options: SlurmOptions, folder: Path, count: int) -> dict[str, Any]:
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
        "setup": [*threads, *guarded(options.setup, folder)],
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
    gpus = options.gpus_of_node
    if gpus and options.gpu_option == "gres":
        chosen["gres"] = f"gpu:{gpus}"
    elif gpus:
        chosen["gpus_per_node"] = gpus
    chosen["additional_parameters"] = {**further, **options.sbatch}
    return {k: v for k, v in chosen.items() if v is not None} | {"wckey": None}


def _srun_args(options: SlurmOptions) -> list[str]:
    # If one of several ranks dies, the others would wait for it forever. Workers that train alone
    # continue when a neighbor dies.
    own = [f"--kill-on-bad-exit={int(options.shape.ranks > 1)}"]
    if options.cpus_per_task is not None:  # since SLURM 22.05 srun does not inherit it
        own.append(f"--cpus-per-task={options.cpus_per_task}")
    return [*own, *options.srun_args]
