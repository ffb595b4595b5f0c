"""A file system that is far away, as a model: some calls of this process take longer.

On a parallel or network file system an append of the journal is at least four requests to a
server: the lock file is created, the journal opened, written to the disk (fsync), and the lock
file removed; a read opens the journal. Here each of these calls takes `delay_s` longer, also an
attempt to create a lock file that exists. What clients know from their caches costs nothing.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def slow_down(journal: Path, delay_s: float, begin_s: Callable[[], float]) -> None:
    """Make the calls that concern a journal slower in this process, from a moment on.

    Args:
        journal: the file.
        delay_s: of each call.
        begin_s: returns the moment, by the clock of `time.monotonic`.
    """
    lock = f"{journal}.lock"

    def delay() -> None:
        if time.monotonic() >= begin_s():
            time.sleep(delay_s)

    def delayed(function: Callable[..., Any], applies: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if applies(*arguments):
                delay()
            return function(*arguments, **options)

        return call

    def creates_or_opens(path: Any, flags: int = 0, *_: Any) -> bool:
        return str(path) == str(journal) or (str(path) == lock and bool(flags & os.O_CREAT))

    changes: dict[str, Callable[..., bool]] = {
        "open": creates_or_opens,
        "fsync": lambda *_: True,
        "unlink": lambda path, *_: str(path) == lock,
    }
    for name, applies in changes.items():
        setattr(os, name, delayed(getattr(os, name), applies))
    io.open = delayed(io.open, lambda path, *_: str(path) == str(journal))
