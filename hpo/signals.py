"""One way out for Ctrl-C, a closed terminal, and a job told to end: KeyboardInterrupt.

SIGUSR2 is the warning that SLURM sends before a time limit or a preemption, as submitit asks it
to. Nothing else here handles signals, so nothing fights over them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


class _State:
    """What has come, and whether it has to wait."""

    received: signal.Signals | None = None
    shields = 0
    pending = False


def received() -> signal.Signals | None:
    """Return the first of the signals that has come since `interrupt` was entered."""
    return _State.received


@contextmanager
def interrupt(once: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM, SIGHUP and SIGUSR2 (in the main thread only).

    Args:
        once: ignore further signals, which would only disturb the cleaning up after the first.
    """
    _State.received, _State.pending = None, False
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        repeated = _State.received is not None
        _State.received = _State.received or signal.Signals(number)
        if repeated and once:
            return
        if _State.shields:
            _State.pending = True
        else:
            raise KeyboardInterrupt

    # Under nohup a hang-up is ignored, and stays so. SIGINT is ignored where a script started the
    # command in the background, but whoever sends it then means it.
    caught = [n for n in _SIGNALS if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shield() -> Iterator[None]:
    """Let an operation on the storage finish before an interruption goes through.

    In the main thread only, where signals arrive.
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
    """Let an interruption through that a shield has held back, from a place where that is safe."""
    if _State.pending and threading.current_thread() is threading.main_thread():
        _State.pending = False
        raise KeyboardInterrupt
