"""Faults of files: a full disk, a damaged checkpoint, a torn journal, a lock left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.chaos.sweep import Sweep, signal_process
from commons.optuna_internals import JournalOperation
from commons.processes import this_host


def fill(sweep: Sweep, folder: Path, cleanup: ExitStack) -> None:
    """Make the folder of a trial, which has room for little more than its configuration.

    A file system of 48 KiB where we may mount one; elsewhere a file of the application that
    refuses to grow once the trial has begun.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    with suppress(OSError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            cleanup.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)
            return
    sweep.wait_until((folder / "history").exists, "the trial had begun")
    (folder / "full").symlink_to("/dev/full")
    (folder / "full").replace(folder / "history")


def damage(sweep: Sweep) -> tuple[int, int, int]:
    """Kill the worker of a trial that has two checkpoints and damage the last one.

    No worker takes the trial over in between: the owner is stopped first and killed last.

    Returns:
        Number of the trial, its worker, the epochs that the damaged checkpoint had.
    """
    found: list[tuple[int, int, int]] = []

    def done() -> bool:
        for number, pid in sweep.owners().items():
            if not signal_process(pid, signal.SIGSTOP):
                continue
            checkpoint = sweep.dir / "trials" / f"{number:04d}" / "last.ckpt"
            epochs = _epochs_in(checkpoint)
            lines = sweep.witness()[number]
            # Not between the end of an epoch and its checkpoint: that would cost one more epoch.
            if epochs >= 2 and (lines[-1].kind, lines[-1].epoch) == ("epoch", epochs):
                checkpoint.write_bytes(b"\0" * checkpoint.stat().st_size)
                signal_process(pid, signal.SIGKILL)
                found.append((number, pid, epochs))
                return True
            signal_process(pid, signal.SIGCONT)
        return False

    sweep.wait_until(done, "a trial had two checkpoints")
    return found[0]


def _epochs_in(checkpoint: Path) -> int:
    try:
        return int(json.loads(checkpoint.read_text())["epochs"])
    except (OSError, ValueError):
        return 0


def damage_journal(journal: Path, rng: random.Random) -> set[str]:
    """Append half records at random moments, then two records on one line, past the lock.

    Returns:
        The study attributes that the merged line sets.
    """
    names = ["chaos:first", "chaos:second"]
    records = [_record({name: 1}) for name in names]
    for _ in range(10):
        whole = _record({"chaos:torn": "x" * 40})
        _append(journal, whole[: rng.randrange(1, len(whole))])
        time.sleep(rng.uniform(0, 0.5))
    _append(journal, b"\n" + b"".join(records) + b"\n")
    return set(names)


def _record(attributes: dict[str, object]) -> bytes:
    code = int(JournalOperation.SET_STUDY_USER_ATTR)
    common = {"op_code": code, "worker_id": "chaos", "study_id": 0}
    return json.dumps({**common, "user_attr": attributes}).encode()


def _append(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def leave_lock(path: Path, is_remote: bool) -> Callable[[], bool]:
    """Take a lock as soon as it is free, for an owner that is dead.

    Args:
        path: of the lock file.
        is_remote: the owner claims to be of another host, whose processes cannot be seen.

    Returns:
        A function that returns whether that owner still holds the lock.
    """
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    token = f"chaos-{dead.pid}-{is_remote}"
    host = "elsewhere" if is_remote else this_host()
    content = json.dumps({"host": host, "pid": dead.pid, "token": token})
    while True:
        try:
            with path.open("x") as stream:
                stream.write(content)
            break
        except FileExistsError:
            time.sleep(0.001)

    def is_held() -> bool:
        try:
            return token in path.read_text()
        except OSError:
            return False

    return is_held
