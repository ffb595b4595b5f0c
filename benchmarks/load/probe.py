"""How the processes of a benchmark use their time: on a core, waiting for one, or blocked.

Linux tells how long each thread has waited for a core (`/proc/self/task/*/schedstat`). A worker
on a cluster has a core for itself, so that this part of a loss belongs to the machine on which
many workers share two. It is read where a worker goes from one thing to another: training,
reporting, or what lies between two trials. What a thread that has ended waited since the last
reading is missed. The sums lie in a small mapped file, which another process may read at any
moment, also if the worker is killed.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commons.locks import FileLock

KINDS = ("between", "reporting", "training", "locked")  # the last lies within the others
_NONE = -1
_FORMAT = struct.Struct(f"{4 * len(KINDS) + 2}d")


@dataclass
class Part:
    """The time of one kind, in seconds.

    Attributes:
        n: how many periods.
        wall_s: all of it.
        cpu_s: on a core, all threads.
        waiting_s: ready to run, but without a core, all threads.
    """

    n: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def blocked_s(self) -> float:
        """The rest: waiting for a lock, a disk or a server."""
        return max(0.0, self.wall_s - self.cpu_s - self.waiting_s)

    def add(self, other: Part) -> None:
        """Add another one to it."""
        self.n += other.n
        self.wall_s += other.wall_s
        self.cpu_s += other.cpu_s
        self.waiting_s += other.waiting_s


@dataclass
class Times:
    """The time of one worker, or of several.

    Attributes:
        parts: by kind.
        doing: the kind of the period that is not over; None: none has begun.
        since_s: when it began, by the clock of `time.monotonic`.
    """

    parts: dict[str, Part] = field(default_factory=lambda: {kind: Part() for kind in KINDS})
    doing: str | None = None
    since_s: float = 0.0

    def pack(self) -> bytes:
        """Return it as bytes, always as many."""
        parts = [(p.n, p.wall_s, p.cpu_s, p.waiting_s) for p in self.parts.values()]
        doing = _NONE if self.doing is None else KINDS.index(self.doing)
        return _FORMAT.pack(*[number for part in parts for number in part], doing, self.since_s)

    @classmethod
    def unpack(cls, content: bytes) -> Times:
        """Return what `pack` was given; of less than that, nothing has been counted yet."""
        if len(content) < _FORMAT.size:
            return cls()
        *numbers, doing, since_s = _FORMAT.unpack(content[: _FORMAT.size])
        parts = {kind: Part(*numbers[4 * i : 4 * i + 4]) for i, kind in enumerate(KINDS)}
        return cls(parts, None if doing == _NONE else KINDS[int(doing)], since_s)


class Probe:
    """Counts the time of this process.

    Args:
        file: for the sums; None: nothing is counted.
        begin_s: returns when the window begins. Of a training that lies across this moment the
            later part counts, of all else nothing.
    """

    def __init__(self, file: Path | None, begin_s: Callable[[], float] = lambda: 0.0) -> None:
        self._times, self._begin_s = Times(), begin_s
        self._waits, self._used = _Waits(), (0.0, 0.0)
        self._map: mmap.mmap | None = None
        if file is not None:
            file.write_bytes(self._times.pack())
            with file.open("r+b") as opened:
                self._map = mmap.mmap(opened.fileno(), _FORMAT.size)

    def add_lock(self, begin: tuple[float, float, float], end: tuple[float, float, float]) -> None:
        """Count the time between two results of `now_of_thread`, in which a lock was held."""
        if begin[0] >= self._begin_s():
            part = Part(1, *[after - before for before, after in zip(begin, end, strict=True)])
            self._times.parts["locked"].add(part)

    def enter(self, kind: str) -> None:
        """End a period and begin one of another kind."""
        if self._map is None:
            return
        now_s, used = time.monotonic(), (time.process_time(), self._waits.seconds())
        times, begin_s = self._times, self._begin_s()
        if times.doing is not None and now_s > begin_s:
            whole = times.since_s >= begin_s
            if whole or times.doing == "training":
                wall_s = now_s - max(times.since_s, begin_s)
                cpu_s, waiting_s = (b - a for a, b in zip(self._used, used, strict=True))
                times.parts[times.doing].add(Part(float(whole), wall_s, cpu_s, waiting_s))
        times.doing, times.since_s, self._used = kind, now_s, used
        self._map[:] = times.pack()


class _Waits:
    """How long all threads of this process have waited for a core, the ended ones included."""

    def __init__(self) -> None:
        self._known_ns: dict[tuple[str, str], int] = {}
        self._total_ns = 0

    def seconds(self) -> float:
        """Return their sum; it never falls."""
        now_ns = dict(_waits_ns())
        before_ns = self._known_ns
        self._total_ns += sum(ns - before_ns.get(thread, 0) for thread, ns in now_ns.items())
        self._known_ns = now_ns
        return self._total_ns / 1e9


def _waits_ns() -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the number and start of each living thread, and how long it has waited for a core."""
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - quick
        folder = f"/proc/self/task/{thread}"
        try:
            with open(f"{folder}/stat") as stat, open(f"{folder}/schedstat") as file:  # noqa: PTH123
                began = stat.read().rpartition(")")[2].split()[19]
                yield (thread, began), int(file.read().split()[1])
        except (OSError, IndexError):  # it has ended
            continue


def now_of_thread() -> tuple[float, float, float]:
    """Return the time, and what this thread has been on a core and has waited for one (s)."""
    with open("/proc/thread-self/schedstat") as file:  # noqa: PTH123 - quick
        waiting_ns = int(file.read().split()[1])
    return time.monotonic(), time.thread_time(), waiting_ns / 1e9


def watch_locks(probe: Probe) -> None:
    """Let a probe count for how long the main thread holds each lock, from now on."""
    acquire, release = FileLock.acquire, FileLock.release
    held: dict[Path, tuple[float, float, float]] = {}

    def acquired(lock: FileLock, *arguments: Any) -> bool:
        taken = acquire(lock, *arguments)
        if taken and threading.current_thread() is threading.main_thread():
            held[lock.file] = now_of_thread()
        return taken

    def released(lock: FileLock) -> None:
        release(lock)
        if threading.current_thread() is threading.main_thread() and lock.file in held:
            probe.add_lock(held.pop(lock.file), now_of_thread())

    FileLock.acquire, FileLock.release = acquired, released  # type: ignore[method-assign, assignment]


_probe = Probe(None)


def start(file: Path, begin_s: Callable[[], float] = lambda: 0.0) -> None:
    """Count the time of this process from now on, as between two trials."""
    global _probe
    file.parent.mkdir(parents=True, exist_ok=True)
    _probe = Probe(file, begin_s)
    watch_locks(_probe)
    _probe.enter("between")


def enter(kind: str) -> None:
    """Do as `Probe.enter`; nothing before `start`."""
    _probe.enter(kind)


def read(files: Iterable[Path], begin_s: float = 0.0, end_s: float = math.nan) -> Times:
    """Return the sums of several workers.

    Args:
        files: one of each; what the last of them is doing is told too.
        begin_s: of the window.
        end_s: if the workers still work: until then a training that is not over counts.
    """
    sums = Times()
    for file in files:
        times = Times.unpack(file.read_bytes())
        sums.doing, sums.since_s = times.doing, times.since_s
        for kind, part in times.parts.items():
            sums.parts[kind].add(part)
        if times.doing == "training" and end_s > times.since_s:
            sums.parts["training"].add(Part(wall_s=end_s - max(times.since_s, begin_s)))
    return sums
