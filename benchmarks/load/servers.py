"""The kinds of storage that are compared, each served on this machine while it is needed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.postgres import PostgresServer
from testbed.processes import free_ports
from testbed.redis import RedisServer

KINDS = (
    *("journal", "grpc", "redis", "journal-postgresql"),
    *("postgresql", "optuna-grpc", "grpc-postgresql"),  # by Optuna's own protocols
)


@dataclass(frozen=True)
class Served:
    """A storage that is ready.

    Attributes:
        spec: its setting, for `hpo.storage.opening.open_storage`.
        servers: the processes that serve it; their children belong to them.
    """

    spec: str
    servers: tuple[int, ...] = ()

    def cpu_s(self) -> float:
        """Return the CPU time that the servers have used so far."""
        return cpu_s(self._processes())

    @contextmanager
    def watched(self) -> Iterator[Callable[[], float]]:
        """Yield a function that returns how long the servers have waited for a core meanwhile.

        A database has a process per connection, which ends with it; so they are looked at every
        second, and the last second of each of them is missed.
        """
        waits_s: dict[tuple[int, str], float] = {}
        ended = threading.Event()

        def look() -> None:
            waits_s.update(_waits_s(self._processes()))

        def watch() -> None:
            while not ended.wait(1.0):
                look()

        look()
        before_s = sum(waits_s.values())
        watcher = threading.Thread(target=watch, daemon=True)
        if self.servers:
            watcher.start()
        try:
            yield lambda: sum(waits_s.values()) - before_s
        finally:
            ended.set()
            if self.servers:
                watcher.join()
                look()

    def _processes(self) -> list[int]:
        return [pid for root in self.servers for pid in _family(root)]


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Served]:
    """Start what a kind of storage needs.

    Args:
        kind: of `KINDS`. `grpc` is our proxy in front of a journal file, `optuna-grpc` Optuna's.
        folder: for the files of the servers; is created.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"storage must be one of {', '.join(KINDS)}, got {kind}")
    folder.mkdir(parents=True, exist_ok=True)
    journal = str(folder / "study.log")
    if kind == "journal":
        yield Served(journal)
    elif kind == "grpc":
        with _proxy(journal) as proxy:
            yield proxy
    elif kind == "optuna-grpc":
        with _optuna_proxy(journal) as proxy:
            yield proxy
    elif kind == "redis":
        with RedisServer(folder / "redis") as server:
            yield Served(server.url, (server.pid,))
    else:
        with PostgresServer(folder / "postgres") as postgres:
            database = Served(postgres.url, (postgres.pid,))
            if kind == "postgresql":
                yield database
            elif kind == "journal-postgresql":
                yield Served(f"journal+{postgres.url}", database.servers)
            else:
                with _optuna_proxy(postgres.url) as proxy:
                    yield Served(proxy.spec, (*proxy.servers, *database.servers))


def serve(spec: str, port: int) -> None:
    """Run Optuna's proxy in front of a journal file or a database, without end."""
    import optuna

    from hpo.storage.journal import JournalFile

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage: optuna.storages.BaseStorage
    if "://" in spec:  # ten threads serve, so ten connections
        storage = optuna.storages.RDBStorage(spec, engine_kwargs={"pool_size": 10})
    else:
        storage = optuna.storages.JournalStorage(JournalFile(spec))
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


def _proxy(spec: str) -> AbstractContextManager[Served]:
    (port,) = free_ports(1)
    options = (f"storage={spec}", f"port={port}", "host=127.0.0.1")
    return _process([sys.executable, "-m", "hpo.serve", *options], port)


def _optuna_proxy(spec: str) -> AbstractContextManager[Served]:
    (port,) = free_ports(1)
    code = f"import sys; from {__name__} import serve; serve(sys.argv[1], int(sys.argv[2]))"
    return _process([sys.executable, "-W", "ignore", "-c", code, spec, str(port)], port)


@contextmanager
def _process(command: list[str], port: int) -> Iterator[Served]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield Served(f"grpc://127.0.0.1:{port}", (server.pid,))
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time that live processes have used, with that of their ended children."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / 100


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            below.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for known in found:
        found.extend(below.get(known, []))
    return found


def _waits_s(pids: list[int]) -> dict[tuple[int, str], float]:
    """Return how long each thread of live processes has waited for a core so far."""
    found = {}
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                found[pid, thread.parent.name] = int(thread.read_text().split()[1]) / 1e9
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
