"""Run Hydra jobs as processes of this machine, each with its own output file.

A process that dies does not disturb the others. None outlives its parent: an interruption is
passed on, after a grace period the process is killed, and if the parent is killed, the kernel
sends a signal. What a job has started in its session ends with it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from hydra.types import TaskFunction

from commons.processes import THREAD_VARIABLES, n_cores
from hpo import signals
from hpo.hydra_internals import JobReturn, failed, start_launcher
from hpo.launch.devices import Slots, visible_devices
from hpo.launch.forks import Forked, ForkServer, begun, forks
from hpo.launch.options import LocalOptions
from hpo.launch.payload import Payload, read_result
from hpo.protocols import CORES, GPUS, SweepWorker

_log = logging.getLogger(__name__)
_POLL_S = 0.05


@dataclass
class _Job:
    process: subprocess.Popen[bytes] | Forked
    slot: int
    output: Path
    result: Path

    def is_running(self) -> bool:
        """Tell whether it runs; once it does not, kill what it has left running."""
        if self.process.poll() is None:
            return True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return False

    def kill(self) -> None:
        """Kill it with all that it has started."""
        self.process.kill()
        self.process.wait()
        self.is_running()


def launch(
    options: LocalOptions, payload: Payload, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Run one process per list of overrides; the result of one that dies is FAILED."""
    start_launcher(payload.config)
    slots = _slots(options)
    at_once = options.max_processes or slots.default() or n_cores()
    if isinstance(payload.function, SweepWorker):
        at_once = options.max_processes or len(job_overrides)
    elif options.max_processes:
        slots.check(min(at_once, len(job_overrides)), "max_processes")
    known = occupied(options, slots, min(at_once, len(job_overrides)))
    jobs: list[_Job] = []
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="hpo-"))
        stack.enter_context(signals.interrupt())
        server = None
        is_worker, config = isinstance(payload.function, SweepWorker), None
        if is_worker and len(job_overrides) > 1:
            environment = _environment(options.threads_per_worker) | known
            server = stack.enter_context(forks(payload, environment))
        try:
            for number, overrides in enumerate(job_overrides, first):
                slot = _wait_for_slot(jobs, at_once)
                if config is None or not is_worker:
                    config = payload.compose(overrides, number)
                else:
                    config = payload.compose_alike(config, overrides, number)
                own = replace(payload, config=config)
                environment = _environment(options.threads_per_worker) | known
                environment |= slots.environment(slot)
                result = Path(scratch, f"{number}.pkl")
                jobs.append(_start(own, result, slot, environment, server))
            while _any_runs(jobs):
                time.sleep(_POLL_S)
        except BaseException:
            _stop(jobs, options.grace_s)
            raise
        return [_result(job) for job in jobs]


def n_workers(options: LocalOptions, wanted: int | None) -> int:
    """Return how many workers of a sweep this machine has; None: what fits.

    Raises:
        SettingError: more are wanted than the GPUs have room for.
    """
    slots = _slots(options)
    if wanted is not None:
        slots.check(wanted, "n_workers")
        return wanted
    fitting = slots.default()
    if fitting is not None:
        _log.info("workers: %d, for %d GPUs", fitting, len(slots.devices.names))
    return fitting or n_cores()


def _slots(options: LocalOptions) -> Slots:
    return Slots.of_machine(options, visible_devices(os.environ))


def _wait_for_slot(jobs: Sequence[_Job], at_once: int) -> int:
    """Wait until fewer jobs run; return the first place, from 0, that none of them has."""
    while True:
        used = {job.slot for job in jobs if job.is_running()}
        if len(used) < at_once:
            return next(slot for slot in count() if slot not in used)
        time.sleep(_POLL_S)


def forks_begun(threads_per_worker: Any, function: TaskFunction) -> AbstractContextManager[None]:
    """Begin with what the workers of a sweep need, while its command prepares it.

    Args:
        threads_per_worker: as in `LocalOptions`, not checked yet.
        function: the application.
    """
    return begun(_environment(threads_per_worker), function)


def _environment(threads_per_worker: int | None) -> dict[str, str]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(x or "." for x in sys.path))
    if threads_per_worker is not None:
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads_per_worker))
    return environment


def _start(
    payload: Payload,
    result: Path,
    slot: int,
    environment: dict[str, str],
    server: ForkServer | None,
) -> _Job:
    folder = Path(payload.config.hydra.sweep.dir, payload.config.hydra.sweep.subdir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.txt"
    if server is not None:
        return _Job(
            server.start(payload.config, environment, output, result), slot, output, result
        )
    with output.open("wb") as stream, signals.handed_over():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.launch.job", str(result)],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal reaches the parent alone
        )
    _feed(process, payload)
    return _Job(process, slot, output, result)


def occupied(options: LocalOptions, slots: Slots, at_once: int) -> dict[str, str]:
    """Return the variables that tell each of so many workers its share of this machine.

    A worker occupies the threads that it may start, at most its part of the cores.
    """
    cores, n_gpus = n_cores() / at_once, len(slots.devices.names)
    if options.threads_per_worker is not None:
        cores = min(cores, options.threads_per_worker)
    return {CORES: f"{cores:.6g}", GPUS: f"{min(slots.per_worker, n_gpus / at_once):.6g}"}


def _feed(process: subprocess.Popen[bytes], payload: Payload) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:  # its end is told with its result
        pipe.write(payload.pack())


def _stop(jobs: list[_Job], grace_s: float) -> None:
    for job in jobs:
        if job.is_running():
            job.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + grace_s
    try:
        while _any_runs(jobs) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        _log.warning("interrupted again: the jobs are killed")
    for job in jobs:
        job.kill()


def _any_runs(jobs: Sequence[_Job]) -> bool:
    return bool([job for job in jobs if job.is_running()])  # each is looked at


def _result(job: _Job) -> JobReturn:
    result = read_result(job.result)
    if result is not None:
        return result
    code = job.process.wait()
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return failed(f"a process {how}; its output: {job.output}")
