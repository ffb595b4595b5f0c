"""The kinds of storage that are compared, each served on this machine as long as it is needed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpo.storage import open_storage
from tests.cluster.postgres import PostgresServer
from tests.cluster.processes import free_ports

KINDS = ("journal", "grpc", "postgresql", "grpc-postgresql")


@contextmanager
def served(kind: str, folder: Path) -> Iterator[str]:
    """Start what a kind of storage needs; yield its setting for `hpo.storage`.

    Args:
        kind: of `KINDS`. `grpc` is Optuna's proxy in front of a journal file.
        folder: for the files of the servers; is created.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"storage must be one of {', '.join(KINDS)}, got {kind}")
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "journal":
        yield str(folder / "study.log")
    elif kind == "grpc":
        with _proxy(str(folder / "study.log")) as url:
            yield url
    else:
        with PostgresServer(folder / "postgres") as server:
            if kind == "postgresql":
                yield server.url
            else:
                with _proxy(server.url) as url:
                    yield url


def serve(spec: str, port: int) -> None:
    """Run Optuna's proxy in front of a storage, for ever."""
    import optuna

    storage = open_storage(spec, Path())
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


@contextmanager
def _proxy(spec: str) -> Iterator[str]:
    (port,) = free_ports(1)
    code = f"from benchmarks.servers import serve; serve({spec!r}, {port})"
    server = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time that live processes have used, their ended children included."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / 100


def children(pid: int) -> list[int]:
    """Return a process and all below it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for known in found:
        found.extend(parents.get(known, []))
    return found


def load() -> float:
    """Return the load of this machine over the last minute."""
    return float(Path("/proc/loadavg").read_text().split()[0])


def now() -> str:
    """Return the date."""
    return time.strftime("%Y-%m-%d", time.gmtime())
