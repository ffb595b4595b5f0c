"""One way out for Ctrl-C, a closed terminal and a termination request: KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received = threading.Event()


def received() -> bool:
    """Tell whether one of the signals has come since `interrupt` was entered."""
    return _received.is_set()


@contextmanager
def interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP (in the main thread only)."""
    _received.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(_: int, __: FrameType | None) -> NoReturn:
    _received.set()
    raise KeyboardInterrupt
