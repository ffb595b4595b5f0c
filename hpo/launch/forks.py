"""Workers of this machine as forks of one process that has imported everything.

The imports of a worker take half a second of CPU time. The server of `forks` does them once,
reads the job, and forks for each worker; the child goes into a session of its own, takes its
environment and its output file, and runs as a process that was started for it. A process in which
threads run, or which has opened a GPU, must not be forked: then the server says so, and each
worker is started by itself.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from omegaconf import DictConfig

from commons.processes import signal_when_parent_dies
from hpo import signals
from hpo.launch.job import run_job
from hpo.launch.payload import Payload, unpack

_POLL_S = 0.02
_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/")


@dataclass(frozen=True)
class _Order:
    config: DictConfig
    environment: dict[str, str]
    output: Path
    result: Path


class Forked:
    """A fork of the server, with what the launcher needs of `subprocess.Popen`.

    Attributes:
        pid: its number.
        returncode: None while it runs, as far as is known; below 0: a signal has ended it.
    """

    def __init__(self, pid: int, server: ForkServer) -> None:
        self.pid, self._server = pid, server
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its code, None while it runs."""
        if self.returncode is None:
            self._server.listen()
        return self.returncode

    def wait(self) -> int:
        """Return its code when it has ended."""
        while (code := self.poll()) is None:
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server as its parent sees it; see `forks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._running: dict[int, Forked] = {}

    def start(
        self, config: DictConfig, environment: Mapping[str, str], output: Path, result: Path
    ) -> Forked:
        """Start a process that runs the job with this configuration."""
        order = _Order(config, dict(environment), output, result)
        self._connection.send_bytes(cloudpickle.dumps(order))
        while (answer := self._connection.recv())[0] != "started":
            self._note(*answer[1:])
        forked = self._running[answer[1]] = Forked(answer[1], self)
        return forked

    def listen(self) -> None:
        """Note which processes have ended."""
        try:
            while self._connection.poll():
                self._note(*self._connection.recv()[1:])
        except (EOFError, OSError):  # the server was killed, and so its forks get a signal
            for pid in [*self._running]:
                self._note(pid, -signal.SIGTERM)

    def _note(self, pid: int, code: int) -> None:
        self._running.pop(pid).returncode = code


@contextmanager
def forks(payload: Payload, environment: Mapping[str, str]) -> Iterator[ForkServer | None]:
    """Start a server for the jobs of a payload; yield None where it must not fork.

    Args:
        payload: of the jobs, which differ in their configuration only.
        environment: of the server; its imports see it.
    """
    own, its = Pipe()
    with signals.handed_over():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.launch.forks", str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            pass_fds=[its.fileno()],
            start_new_session=True,
        )
    its.close()
    try:
        yield ForkServer(own) if _is_ready(own, payload) else None
    finally:
        own.close()
        process.wait()


def _is_ready(connection: Connection, payload: Payload) -> bool:
    try:
        connection.send_bytes(payload.pack())
        return bool(connection.recv())
    except (EOFError, OSError):  # it cannot read the job: a worker that is started will tell
        return False


def may_fork(n_threads: int) -> bool:
    """Tell whether this process can be forked; it had `n_threads` of numpy's, which may be."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    has_gpu = any(link.startswith(_DEVICES) for link in links)
    return threading.active_count() == 1 and _n_threads() <= n_threads and not has_gpu


def _n_threads() -> int:
    return len([*Path("/proc/self/task").iterdir()])


def serve(connection: Connection) -> int:
    """Read a job, then fork for each order until the parent has closed the connection."""
    n_threads = _n_threads()
    payload = unpack(connection.recv_bytes())
    is_ready = may_fork(n_threads) and hasattr(os, "pidfd_open")
    connection.send(is_ready)
    gc.collect()
    gc.freeze()  # the pages of these objects stay shared
    running: dict[int, int] = {}  # process by descriptor
    while is_ready:
        ended: set[Any] = {*wait([connection, *running])}
        for descriptor in ended & running.keys():
            _tell_end(connection, descriptor, running.pop(descriptor))
        if connection in ended:
            try:
                order: _Order = pickle.loads(connection.recv_bytes())
            except EOFError:
                return 0
            pid = os.fork()
            if pid == 0:
                connection.close()
                return _work(payload, order)
            running[os.pidfd_open(pid)] = pid
            connection.send(("started", pid))
    return 0


def _tell_end(connection: Connection, descriptor: int, pid: int) -> None:
    os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.send(("ended", pid, code))


def _work(payload: Payload, order: _Order) -> int:
    """Run a job as a process of its own would (in the child)."""
    os.setsid()
    os.environ.clear()
    os.environ.update(order.environment)
    descriptor = os.open(order.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    np.random.seed()  # noqa: NPY002 - else the children would draw the same numbers
    return run_job(lambda: payload, order.config, order.result)


def main(descriptor: str) -> int:
    """Run the server; return the exit code, in its children that of their job."""
    signal_when_parent_dies()
    return serve(Connection(int(descriptor)))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
