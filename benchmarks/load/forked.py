"""Forked workers that do something at one moment, and are given up if they do not."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from commons.processes import signal_when_parent_dies

_fork = multiprocessing.get_context("fork")  # 256 processes fit into memory because they share it

# Makes what a worker needs; returns what it does, a function of the start time.
Prepare = Callable[[], Callable[[float], Any]]


@contextmanager
def started(prepare: Sequence[Prepare]) -> Iterator[list[Connection]]:
    """Fork workers: each prepares, reports that, receives the start time, and sends its result.

    They are killed at the end, also if they hang.
    """
    pipes: list[Connection] = []
    workers: list[BaseProcess] = []
    try:
        for each in prepare:
            here, there = _fork.Pipe()
            pipes.append(here)
            workers.append(_fork.Process(target=_run, args=(each, there), daemon=True))
            workers[-1].start()
            there.close()
        yield pipes
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()


def _run(prepare: Prepare, pipe: Connection) -> None:
    signal_when_parent_dies(signal.SIGKILL)
    work = prepare()
    pipe.send(None)
    pipe.send(work(pipe.recv()))


def received(pipes: list[Connection], until: float, what: str) -> list[Any]:
    """Return what each worker sends.

    Raises:
        RuntimeError: not all of them have sent something in time, or some have ended.
    """
    found: list[Any] = []
    for pipe in pipes:
        if not pipe.poll(max(0.0, until - time.monotonic())):
            n = len(found) + sum(other.poll() for other in pipes[len(found) :])
            raise RuntimeError(f"only {n} of {len(pipes)} workers were {what} in time")
        try:
            found.append(pipe.recv())
        except EOFError:
            raise RuntimeError(f"a worker has failed before it was {what}") from None
    return found


def in_child(function: Callable[[], Any], until: float) -> Any:
    """Return what a function returns in a process of its own."""
    with started([lambda: lambda _: function()]) as pipes:
        received(pipes, until, "ready")
        pipes[0].send(0.0)
        return received(pipes, until, "at its end")[0]
