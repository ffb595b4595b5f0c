"""A soaked trial: epochs of sleep with a checkpoint, a witness and a false clock."""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

_registered: list[int] = []


def prepare(folder: Path) -> None:
    """Make the folders of a round: witnesses and clocks."""
    for name in ("witness", "clocks"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def register(folder: Path) -> None:
    """Let the supervisor find this process and set its clock: `clocks/PID` holds its error."""
    if os.getpid() in _registered:
        return
    _registered.append(os.getpid())
    path = folder / "clocks" / f"{os.getpid()}"
    path.with_suffix(".new").write_bytes(struct.pack("d", 0.0))
    with path.with_suffix(".new").open("r+b") as file:
        view = mmap.mmap(file.fileno(), 8)
    path.with_suffix(".new").rename(path)
    right = time.time
    time.time = lambda: right() + float(struct.unpack("d", view[:8])[0])


def set_clock(path: Path, error_s: float) -> None:
    """Put the clock of a process wrong by this many seconds."""
    with path.open("r+b") as file:
        file.write(struct.pack("d", error_s))


def train(trial: Any, x: float, report: Callable[[float, int], Any], folder: Path) -> float:
    """Run the epochs that are left; `report` may raise to stop. Return the last value."""
    register(folder)
    size = json.loads((folder / "size.json").read_text())
    number, checkpoint = trial.number, trial.checkpoint.folder / "epochs"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    note(folder, number, "start", done)
    for epoch in range(done + 1, size["epochs"] + 1):
        time.sleep(size["epoch_s"])
        note(folder, number, "epoch", epoch)
        try:
            report(x**2 + 1 / epoch, epoch)
        except optuna.TrialPruned:  # perhaps only paused
            _save(checkpoint, epoch)
            raise
        _save(checkpoint, epoch)
    note(folder, number, "end", size["epochs"])
    return x**2 + 1 / float(size["epochs"])


def _save(checkpoint: Path, epoch: int) -> None:
    if checkpoint.exists() and int(checkpoint.read_text()) > epoch:
        return  # this process was stopped between its report and here, and the trial taken over
    partial = checkpoint.with_name(f"{checkpoint.name}.{os.getpid()}")
    partial.write_text(str(epoch))
    partial.replace(checkpoint)


def note(folder: Path, number: int, kind: str, epoch: int) -> None:
    """Append a line to the witness of a trial, outside of the study."""
    line = json.dumps({"kind": kind, "epoch": epoch, "pid": os.getpid()}).encode() + b"\n"
    descriptor = os.open(
        folder / "witness" / f"{number}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666
    )
    try:
        os.write(descriptor, line)  # at once, or not at all
    finally:
        os.close(descriptor)
