"""Cores of this process, whether other processes live, and an end with the parent."""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

# What tells the numerical libraries how many threads they may start.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def uncollected() -> Iterator[None]:
    """Do not look for unused objects meanwhile: imports and configurations leave hardly any."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@cache
def end_at_once() -> None:
    """Let this process end without a last look through all of its objects.

    With Optuna and Hydra it takes 0.15 s, with matplotlib 0.3 s. What the buffers of files in
    reference cycles hold is written, which that look would have done.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    for file in open_files():
        with suppress(OSError, ValueError):
            file.flush()
    gc.freeze()


def open_files() -> list[io.IOBase]:
    """Return the files that Python has objects of, each before the file that it writes into.

    Without those that were open before a `gc.freeze`, as in a forked process those of its parent.
    """
    found = [each for each in gc.get_objects() if issubclass(type(each), io.IOBase)]
    return sorted(found, key=_level)


def _level(file: io.IOBase) -> int:
    last = io.BufferedWriter, io.BufferedRandom, io.RawIOBase
    return 0 if isinstance(file, io.TextIOBase) else 2 if isinstance(file, last) else 1


def n_cores() -> int:
    """Return the number of cores that this process may use, which SLURM may have limited."""
    return len(os.sched_getaffinity(0))


@cache
def this_host() -> str:
    """Name this host and its process namespace: where a process number means something.

    The first namespace of each kernel has the same number, and containers and cloned machines may
    have the same host name, so the boot of the kernel belongs to it.
    """
    namespace, boot = Path("/proc/self/ns/pid"), Path("/proc/sys/kernel/random/boot_id")
    words = [socket.gethostname()]
    if namespace.exists():
        words.append(str(namespace.readlink()))
    if boot.exists():
        words.append(boot.read_text().strip())
    return " ".join(words)


def born(pid: int) -> int | None:
    """Return when a process was started, in ticks since the boot; None: unknown.

    With the number it names a process for ever: numbers are used again.
    """
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else None


def is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped (SIGSTOP, Ctrl-Z), as far as this host knows."""
    return _stat(pid)[:1] in (["T"], ["t"])


def is_alive(pid: int, since: int | None = None) -> bool:
    """Tell whether a process of this host runs; a zombie does not.

    Args:
        pid: its number.
        since: as `born` returns it; another process with this number is not meant.

    >>> is_alive(os.getpid())
    True
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # alive, and of another user
    if since is not None and born(pid) not in (since, None):
        return False
    return _stat(pid)[:1] not in (["Z"], ["X"])


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on; empty: no /proc, or it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def descendants(pid: int | None = None) -> list[int]:
    """Return the children of a process (None: this one), their children and so on.

    Those whose parent has ended are found only after `adopt_orphans`.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else []
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [os.getpid() if pid is None else pid]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def adopt_orphans() -> None:
    """Become the parent of all descendants whose parent ends, so that `descendants` finds them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes, some of which may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


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


def signal_when_parent_dies(number: signal.Signals = signal.SIGTERM) -> None:
    """Let the kernel send this process a signal when its parent has ended, however."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
