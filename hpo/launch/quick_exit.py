"""The last act of a forked process: it leaves its memory to the kernel.

To take its objects apart at its end, Python would first get a copy of each page that is shared
with the parent; that takes longer than many a trial. Import this module before all others: what is
registered first is called last, after threads and what others have registered. Files that are
still open are closed first, as Python does.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress


class _State:
    code: int | None = None


def leave_with(code: int) -> int:
    """Let this process end with a code when all else is done; return the code."""
    _State.code = code
    return code


def _leave() -> None:
    if _State.code is not None:
        from commons.processes import open_files  # as said above, not before

        for file in open_files():
            with suppress(OSError, ValueError):
                file.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_State.code)


atexit.register(_leave)
