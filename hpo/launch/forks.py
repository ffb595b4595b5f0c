"""Workers of this machine as forks of one process that has imported everything.

The imports of a worker take half a second of CPU time. The server, `fork_server`, does them once,
reads the job, and forks for each worker. The command of a sweep starts it at once, so that it
imports while the command checks and prepares the sweep.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

import cloudpickle
from hydra.types import TaskFunction
from omegaconf import DictConfig

from hpo import signals
from hpo.launch.payload import Payload

_POLL_S = 0.02


@dataclass(frozen=True)
class Imports:
    """What the server imports before it knows its job.

    Attributes:
        modules: their names.
        function: pickled; to read it imports what the application needs.
    """

    modules: Sequence[str]
    function: bytes


@dataclass(frozen=True)
class Order:
    """A process that the server is to fork; see `ForkServer.start`."""

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
    """The server as its parent sees it.

    Args:
        environment: of the server; its imports see it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection, its = Pipe()
        with signals.handed_over():
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "hpo.launch.fork_server", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        its.close()
        self._running: dict[int, Forked] = {}

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def read(self, payload: Payload) -> bool:
        """Give it a job, whose processes differ in their configuration; tell if it may fork."""
        try:
            self._connection.send_bytes(cloudpickle.dumps(payload.pack()))
            return bool(self._connection.recv())
        except (EOFError, OSError):  # it cannot read the job: a worker that is started will tell
            return False

    def start(
        self, config: DictConfig, environment: Mapping[str, str], output: Path, result: Path
    ) -> Forked:
        """Start a process that runs the job with this configuration."""
        order = Order(config, dict(environment), output, result)
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

    def prepare(self, modules: Sequence[str], function: TaskFunction) -> None:
        """Let it import modules, and what an application needs, before it has a job."""
        try:
            imports = Imports(modules, cloudpickle.dumps(function))
        except Exception:  # noqa: BLE001 - each class has its own; the check of the sweep tells it
            return
        with suppress(OSError):
            self._connection.send_bytes(cloudpickle.dumps(imports))

    def close(self) -> None:
        """End it, and so what it has forked."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()

    def _note(self, pid: int, code: int) -> None:
        self._running.pop(pid).returncode = code


class _State:
    begun: ForkServer | None = None


@contextmanager
def begun(environment: Mapping[str, str], function: TaskFunction) -> Iterator[None]:
    """Start a server now, which `forks` then takes: its imports are done meanwhile.

    Args:
        environment: of the server.
        function: the application.
    """
    _State.begun = server = ForkServer(environment)
    try:
        server.prepare(["hpo.worker.worker"], function)
        yield
    finally:
        _State.begun = None
        server.close()


@contextmanager
def forks(payload: Payload, environment: Mapping[str, str]) -> Iterator[ForkServer | None]:
    """Return a server for the jobs of a payload; yield None where it must not fork.

    Args:
        payload: of the jobs, which differ in their configuration only.
        environment: of a server that is started now.
    """
    early = _State.begun
    server = early if early is not None and early.is_alive else ForkServer(environment)
    try:
        yield server if server.read(payload) else None
    finally:
        if server is not early:
            server.close()
