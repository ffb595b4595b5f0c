"""The clock of this host, compared with that of a file system that other hosts use too."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

_TOLERANCE_S = 60.0


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
