"""A file system that is far away, as a model: some calls of this process take longer.

    python -m benchmarks.load.latency [delay_ms=[0,1,10,50]] [workers=[1,8,64]]

On a parallel or network file system an append of the journal is at least four requests to a
server: the lock file is created, the journal opened, written to the disk (fsync), and the lock
file removed; a read opens the journal. Here each of these calls takes `delay_s` longer, also an
attempt to create a lock file that exists. What clients know from their caches costs nothing.

The command measures how many appends per second one journal stands when all workers append without
a pause, with our proxy in front of it too. Figures go to benchmarks/results/latency.json.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import hpo.storage.journal
from benchmarks.load import tables
from benchmarks.load.depends import JOURNAL
from benchmarks.record import write_result
from commons.cli import run_command
from commons.processes import signal_when_parent_dies
from hpo.storage.journal import JournalFile
from hpo.storage.proxy import JournalService
from testbed.machine import commit, load, now, processor

_DEPENDS = ("benchmarks.load.latency", *JOURNAL)

_RECORD = {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"i": 0}}
_fork = multiprocessing.get_context("fork")


@dataclass
class Settings:
    """What the command line may set.

    Args:
        delay_ms: of each call.
        workers: numbers of processes that append.
        window_s: for how long they do.
        out: the JSON file.
    """

    delay_ms: list[float] = field(default_factory=lambda: [0.0, 1.0, 10.0, 50.0])
    workers: list[int] = field(default_factory=lambda: [1, 8, 64])
    window_s: float = 5.0
    out: Path = Path(__file__).parents[1] / "results" / "latency.json"


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
    setattr(hpo.storage.journal, "is_of_one_host", lambda _: False)  # noqa: B010 - as above
    io.open = delayed(io.open, lambda path, *_: str(path) == str(journal))


def appends_per_s(n_workers: int, delay_s: float, window_s: float) -> float:
    """Return how many records per second reach a journal that processes append to."""
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        path = Path(folder, "study.log")
        path.touch()

        def work() -> None:
            signal_when_parent_dies(signal.SIGKILL)
            journal = JournalFile(path, exists=True)
            slow_down(path, delay_s, lambda: 0.0)
            while True:
                journal.append_logs([_RECORD])

        return _counted([work] * n_workers, path, window_s)


def appends_by_proxy_per_s(n_workers: int, delay_s: float, window_s: float) -> float:
    """Return how many records per second a proxy writes for threads that all append."""
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        path = Path(folder, "study.log")

        def serve() -> None:
            signal_when_parent_dies(signal.SIGKILL)
            service = JournalService(path)
            slow_down(path, delay_s, lambda: 0.0)

            def work(_: int) -> None:
                while True:
                    service.append(request)

            request = b'[-1, "", 0]\n' + json.dumps(_RECORD).encode()
            with ThreadPoolExecutor(n_workers) as pool:
                list(pool.map(work, range(n_workers)))

        path.touch()
        return _counted([serve], path, window_s)


def _counted(work: list[Callable[[], None]], path: Path, window_s: float) -> float:
    processes = [_fork.Process(target=one, daemon=True) for one in work]
    try:
        for process in processes:
            process.start()
        time.sleep(1.0)  # until all have begun
        before = path.stat().st_size
        time.sleep(window_s)
        n_bytes = path.stat().st_size - before
    finally:
        for process in processes:
            process.kill()
            process.join()
    length = len(path.read_bytes().partition(b"\n")[0]) + 1
    return n_bytes / length / window_s


def main(arguments: list[str]) -> int:
    """Measure, print and write the JSON file; see the module's text."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> None:
    rows: list[dict[str, Any]] = []
    about = {"processor": processor(), "commit": commit(), "date": now()}
    print("delay/ms  workers  appends/s: file  proxy (a row takes seconds)", flush=True)
    for delay_ms, n_workers in product(settings.delay_ms, settings.workers):
        arguments = n_workers, delay_ms / 1e3, settings.window_s
        by_file, by_proxy = appends_per_s(*arguments), appends_by_proxy_per_s(*arguments)
        print(f"{delay_ms:8g} {n_workers:8} {by_file:16.1f} {by_proxy:6.1f}", flush=True)
        rows.append(
            {
                "delay_ms": delay_ms,
                "workers": n_workers,
                "file_per_s": round(by_file, 1),
                "proxy_per_s": round(by_proxy, 1),
                "load": load(),
            }
        )
        figures = {"rows": rows, **about}
        write_result(settings.out, figures, command="make bench-scale", depends=_DEPENDS)
    print(f"written to {settings.out}\n\n{tables.latency({'rows': rows})}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
