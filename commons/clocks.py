"""Time that this process may count, and the clock of its host beside that of a file system."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_TOLERANCE_S = 60.0


class OwnTime:
    """Counts the seconds in which this process ran; call it often.

    A step between two calls counts at most `longest_s`: this process may have been stopped, and
    with it those whom it watches.

    >>> steps = iter([0.0, 1.0, 100.0, 101.0])
    >>> own_time = OwnTime(5.0, lambda: next(steps))
    >>> [own_time() for _ in range(3)]
    [1.0, 6.0, 7.0]
    """

    def __init__(self, longest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_s, self._clock = longest_s, clock
        self._seconds, self._last = 0.0, clock()

    def __call__(self) -> float:
        """Return the seconds since this object was made."""
        now = self._clock()
        self._seconds += min(now - self._last, self._longest_s)
        self._last = now
        return self._seconds


def clock_trouble(folder: Path) -> str | None:
    """Say that the clock of this host is off by more than a minute; None: it is not.

    Against the clock of the file system of `folder`, where a file is made and removed for that.
    None too if it cannot be made.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-") as file:
            file.write(b"\n")  # a server sets the time when it receives the data
            file.flush()
            ahead_s = time.time() - Path(file.name).stat().st_mtime
    except OSError:
        return None
    if abs(ahead_s) <= _TOLERANCE_S:
        return None
    direction = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"the clock of this host is {abs(ahead_s):.0f} s {direction} that of the file system of "
        f"{folder}: times in logs and reports are wrong, nothing else depends on them"
    )
