"""What two nodes do in a folder to try the file system between them: messages, and a lock."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from commons.files import replacing, write_json
from commons.locks import FileLock

ROUNDS = 25  # how often each node adds one to the counter
LIMIT_S = 60.0
_PAUSE_S = 0.02


class Unheard(Exception):
    """A message of the other node was not seen in time."""


def say(folder: Path, name: str, **content: Any) -> None:
    """Leave a message for the other node."""
    write_json(folder / f"{name}.json", content)


def said(folder: Path, name: str) -> dict[str, Any] | None:
    """Return a message of the other node, None as long as it is not seen here."""
    try:
        message: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    return message


def hear(folder: Path, name: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Wait for a message of the other node and return it.

    Raises:
        Unheard: it was not seen within `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while (message := said(folder, name)) is None:
        if time.monotonic() > deadline:
            raise Unheard(f"{name}.json was not seen within {limit_s:g} s")
        time.sleep(_PAUSE_S)
    return message


def prepare(folder: Path) -> None:
    """Write what the nodes change together."""
    (folder / "counter").write_text("0")
    (folder / "replaced").write_text("login")


def count(folder: Path) -> None:
    """Add one to the counter, `ROUNDS` times, each time under the lock of our journal."""
    lock, file = FileLock(folder / "counter"), folder / "counter"
    for _ in range(ROUNDS):
        with lock:
            number = int(file.read_text())
            with replacing(file) as partial:
                partial.write_text(str(number + 1))


def counted(folder: Path) -> int:
    """Return the counter: less than two times `ROUNDS` if the lock did not exclude."""
    with FileLock(folder / "counter"):
        return int((folder / "counter").read_text())
