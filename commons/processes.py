"""Cores of this process, whether other processes live, and an end with the parent."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from functools import cache
from pathlib import Path

# What tells the numerical libraries how many threads they may start.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def n_cores() -> int:
    """Return the number of cores that this process may use, which SLURM may have limited."""
    return len(os.sched_getaffinity(0))


@cache
def this_host() -> str:
    """Name this host and its process namespace: where a process number means something."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {namespace.readlink() if namespace.exists() else ''}".strip()


def is_alive(pid: int) -> bool:
    """Tell whether a process of this host runs; a zombie does not.

    >>> is_alive(os.getpid())
    True
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # alive, and of another user
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # no /proc here, or it ended just now
        return True
    return state not in ("Z", "X")


def end_with_parent() -> None:
    """Make this process of `multiprocessing` leave when its parent was killed.

    Otherwise it would wait for tasks forever.
    """
    threading.Thread(target=_leave_after_parent, daemon=True).start()


def _leave_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
