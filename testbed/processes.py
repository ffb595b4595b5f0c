"""Processes and ports of this machine: finding those of a cluster, and ending them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from commons.processes import descendants, kill


def run_to_end(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float
) -> int:
    """Run a command in a folder; return its exit code. What it prints is in `folder / "output"`.

    Raises:
        subprocess.TimeoutExpired: it was not over in time; it and all that it started were killed.
    """
    with (folder / "output").open("wb") as stream:
        # A session of its own: workers do not outlive a command that is killed.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(limit_s)
        finally:
            if process.poll() is None:
                kill({process.pid, *descendants(process.pid)}, signal.SIGKILL)
                process.wait()


def processes_with(**variables: str | None) -> list[int]:
    """Return the live processes that were started with these environment variables.

    The environment is inherited, so this finds everything that a daemon started, detached
    processes too. Zombies have no environment and are not counted.

    Args:
        variables: their values; None: any value.
    """
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            entries = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or belongs to another user
            continue
        environment = dict(entry.partition(b"=")[::2] for entry in entries)
        if all(
            name.encode() in environment
            and value in (None, os.fsdecode(environment[name.encode()]))
            for name, value in variables.items()
        ):
            found.append(int(folder.name))
    return found


def program_of(pid: int) -> str:
    """Return the file name of the program that a process runs, '' once it has ended."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""


def send(signal_number: signal.Signals, pids: list[int]) -> None:
    """Send a signal to processes in this order; those that have ended are skipped."""
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_ports(n_ports: int) -> list[int]:
    """Return distinct free ports of the loopback interface.

    They are below the kernel's range for outgoing connections, so that none of these takes a port
    while its server is down.
    """
    candidates = random.SystemRandom().sample(range(10_000, 32_000), 50 + 10 * n_ports)
    ports = list(islice(filter(_is_free, candidates), n_ports))
    if len(ports) < n_ports:
        raise RuntimeError(f"only {len(ports)} of {n_ports} ports are free")
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
