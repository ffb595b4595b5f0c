"""One way out for Ctrl-C, a closed terminal and a termination request: KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received = threading.Event()


def received() -> bool:
    """Tell whether one of the signals has come since `interrupt` was entered."""
    return _received.is_set()


@contextmanager
def interrupt(once: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP (in the main thread only).

    Args:
        once: ignore further signals, which would only disturb the cleaning up after the first.
    """
    _received.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_: int, __: FrameType | None) -> None:
        repeated = _received.is_set()
        _received.set()
        if not (repeated and once):
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
