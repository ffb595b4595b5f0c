"""The process from which `hpo.launch.forks` forks workers.

A fork goes into a session of its own, takes its environment and its output file, and runs as a
process that was started for it. A process in which threads run, or which has opened a GPU, must
not be forked: then the server says so, and each worker is started by itself.
"""

from __future__ import annotations

from hpo.launch.quick_exit import leave_with  # isort: skip  # before all others

import gc
import os
import pickle
import sys
import threading
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from commons.optuna_start import import_optuna
from commons.processes import signal_when_parent_dies
from hpo.launch.forks import Imports, Order
from hpo.launch.job import run_job
from hpo.launch.payload import Payload, unpack
from hpo.protocols import SweepWorker

_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/")


def may_fork(n_threads: int) -> bool:
    """Tell whether this process can be forked; it had `n_threads` of numpy's, which may be."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    has_gpu = any(link.startswith(_DEVICES) for link in links)
    return threading.active_count() == 1 and _n_threads() <= n_threads and not has_gpu


def _n_threads() -> int:
    return len([*Path("/proc/self/task").iterdir()])


def serve(connection: Connection) -> int:
    """Read a job, then fork for each order until the parent has closed the connection."""
    n_threads, payload = _n_threads(), None
    running: dict[int, int] = {}  # process by descriptor
    while True:
        ended: set[Any] = {*wait([connection, *running])}
        for descriptor in ended & running.keys():
            _tell_end(connection, descriptor, running.pop(descriptor))
        if connection not in ended:
            continue
        try:
            message = pickle.loads(connection.recv_bytes())  # from the parent alone
        except EOFError:
            return 0
        if isinstance(message, Imports):
            _import(message)
        elif isinstance(message, bytes):
            payload = unpack(message)
            if isinstance(payload.function, SweepWorker):
                payload.function.rehearse()
            is_ready = may_fork(n_threads) and hasattr(os, "pidfd_open")
            connection.send(is_ready)
            if not is_ready:
                return 0
            gc.freeze()  # the pages of these objects stay shared
        elif isinstance(message, Order) and payload is not None:
            pid = os.fork()
            if pid == 0:
                connection.close()
                return _work(payload, message)
            running[os.pidfd_open(pid)] = pid
            connection.send(("started", pid))


def _import(imports: Imports) -> None:
    with suppress(Exception):  # the job tells it, which needs the same
        import_optuna()
        for module in imports.modules:
            import_module(module)
        pickle.loads(imports.function)


def _tell_end(connection: Connection, descriptor: int, pid: int) -> None:
    os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.send(("ended", pid, code))


def _work(payload: Payload, order: Order) -> int:
    """Run a job as a process of its own would (in the child)."""
    gc.enable()
    os.setsid()
    os.environ.clear()
    os.environ.update(order.environment)
    descriptor = os.open(order.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    np.random.seed()  # noqa: NPY002 - else the children would draw the same numbers
    return leave_with(run_job(lambda: payload, order.config, order.result))


def main(descriptor: str) -> int:
    """Run the server; return the exit code, in its children that of their job."""
    signal_when_parent_dies()
    gc.disable()  # imports leave hardly anything to collect
    return serve(Connection(int(descriptor)))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
