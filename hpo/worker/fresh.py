"""Trials in processes of their own (`fresh_process`), so that nothing stays for the next one.

The process of a trial is a whole worker for one trial: it claims the trial, holds its lease, takes
signals. If it dies, its trial is taken over by the rules for a dead worker; the worker goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
from hydra.core.hydra_config import HydraConfig

from commons.optuna_start import import_optuna
from commons.processes import end_at_once, signal_when_parent_dies
from hpo import signals
from hpo.hydra_internals import configure_log, global_state, restore_global_state
from hpo.launch.script import Script
from hpo.ranks import Group

_log = logging.getLogger(__name__)
_NOTHING_LEFT = 113  # exit code
_DEATHS = 5  # in a row, before the worker ends


@dataclass(frozen=True)
class _Job:
    function: Callable[[], Any]
    script: Script
    singletons: Any = field(default_factory=global_state)


def work_in_fresh_processes(work_once: Callable[[], bool], script: Script, group: Group) -> None:
    """Call a function in one new process after the other until it returns False.

    Raises:
        RuntimeError: several processes in a row have died, or one whose trial has other ranks.
    """
    deaths = 0
    while (code := _run(_Job(work_once, script))) != _NOTHING_LEFT:
        group.catch_up()
        deaths = deaths + 1 if code else 0
        if deaths == _DEATHS or (deaths and group.size > 1):
            raise RuntimeError(_how(code))
        if code:
            _log.warning("%s; the next one follows", _how(code))


def run_in_fresh_process(function: Callable[[], Any], script: Script) -> None:
    """Call a function in a new process.

    Raises:
        RuntimeError: the process has died.
    """
    code = _run(_Job(function, script))
    if code not in (0, _NOTHING_LEFT):
        raise RuntimeError(_how(code))


def _how(code: int) -> str:
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process of a trial {how}"


def _run(job: _Job) -> int:
    """Run a job, pass an interruption on to it; return its exit code."""
    paths = os.pathsep.join(path or "." for path in sys.path)
    with signals.handed_over():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.worker.fresh"],
            stdin=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=paths),
        )
    try:
        process.communicate(cloudpickle.dumps(job))
    except KeyboardInterrupt:
        process.send_signal(signals.received() or signal.SIGINT)
        process.wait()  # it gives its trial back
        raise
    return process.returncode


def main() -> int:
    """Run the job that comes on the standard input; return the exit code."""
    signal_when_parent_dies()
    with signals.interrupt(once=True):
        signals.ready()
        import_optuna()
        job: _Job = cloudpickle.load(sys.stdin.buffer)
        restore_global_state(job.singletons)
        job.script.adopt()
        own: Any = HydraConfig.get()
        configure_log(own.job_logging, own.verbose)
        return _NOTHING_LEFT if job.function() is False else 0


if __name__ == "__main__":
    end_at_once()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
