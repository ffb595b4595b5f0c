"""Ctrl-C, a closed terminal and the end of a job all become KeyboardInterrupt.

SLURM sends SIGUSR2 before a time limit or a preemption, as submitit requests it. No other module
handles signals, so handlers cannot conflict. Signals belong to the process, and so does the state
below: nested `interrupt`s share it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
_AGAIN_S = 0.05
# A time limit is reached (`hpo.study.guard`). No library uses this signal.
LIMIT = signal.Signals.SIGRTMIN + 5


class _State:
    received: signal.Signals | None = None  # the first signal
    shields = 0  # nested shields that hold an interruption back
    pending: BaseException | None = None  # a shield holds it back
    swallowed = False  # the next signal repeats one that was lost in a destructor
    depth = 0  # nested interrupts
    reached: Callable[[], BaseException | None] | None = None  # what LIMIT means now


def received() -> signal.Signals | None:
    """Return the first signal since `interrupt` was entered; None: there was none."""
    return _State.received


@contextmanager
def interrupt(once: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM, SIGHUP and SIGUSR2 (in the main thread only).

    Args:
        once: ignore further signals, which would disturb the cleanup after the first one.
    """
    _State.received, _State.pending = None, None
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        repeated = _State.received is not None and not _State.swallowed
        _State.swallowed = False
        _State.received = _State.received or signal.Signals(number)
        if repeated and once:
            return
        if _State.shields:
            _State.pending = KeyboardInterrupt()
        else:
            raise KeyboardInterrupt

    # SIGHUP stays ignored under nohup. SIGINT is ignored in a command that a script started in the
    # background, but a SIGINT that is sent to it is meant for it.
    caught = [n for n in _SIGNALS if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in caught}
    _State.depth += 1
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_on_unraisable, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        _State.depth -= 1
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def handed_over() -> Iterator[None]:
    """Let processes that are started meanwhile receive SIGINT from when they call `ready` on.

    While a process imports its modules, Python may lose a KeyboardInterrupt.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ready() -> None:
    """Receive SIGINT from now on, and one that has come before; call it inside of `interrupt`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _on_unraisable(hook: Callable[[Any], Any], unraisable: Any) -> None:
    """Repeat an interruption that a destructor or a weak reference's callback swallowed."""
    if not (_State.received and issubclass(unraisable.exc_type, KeyboardInterrupt)):
        hook(unraisable)
        return
    timer = threading.Timer(_AGAIN_S, _send_again, (_State.received,))
    timer.daemon = True
    timer.start()


def _send_again(number: signal.Signals) -> None:
    if _State.depth:
        _State.swallowed = True
        os.kill(os.getpid(), number)


@contextmanager
def limited(reached: Callable[[], BaseException | None]) -> Iterator[bool]:
    """Raise what `reached` returns when `LIMIT` arrives; None: it came too late.

    Yields whether that can be done: exceptions of signals are raised in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    signal.signal(LIMIT, _on_limit)  # for good: a late signal would end the process
    before, _State.reached = _State.reached, reached
    try:
        yield True
    finally:
        _State.reached = before
        if not isinstance(_State.pending, KeyboardInterrupt):
            _State.pending = None


def _on_limit(_number: int, _: FrameType | None) -> None:
    error = _State.reached() if _State.reached else None
    if error is None or _State.pending:
        return
    if _State.shields:
        _State.pending = error
    else:
        raise error


@contextmanager
def shield() -> Iterator[None]:
    """Delay an interruption until an operation on the storage is finished.

    It acts in the main thread only, where signals arrive.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.shields += 1
    try:
        yield
    finally:
        _State.shields -= 1
    if not _State.shields:
        raise_pending()


def raise_pending() -> None:
    """Raise the interruption that a shield holds back; call it where that is safe."""
    if _State.pending and threading.current_thread() is threading.main_thread():
        error, _State.pending = _State.pending, None
        raise error
