"""Faults of the journal as a whole: it is gone, cut, or replaced by an older copy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos.sweep import Stage

_AWAY_S = 8.0
_GOES_ON_S = 1.5  # the workers write more than the older copy has

# Does it to a journal, given an older copy.
Change = Callable[[Path, bytes], None]


def lose(change: Change, stage: Stage) -> None:
    """Change the journal while all workers are at work; keep what its place has then."""
    sweep = stage.sweep
    journal = sweep.dir / "journal.log"
    sweep.wait_for_work()
    older = journal.read_bytes()
    time.sleep(_GOES_ON_S)
    change(journal, older[: older.rfind(b"\n") + 1])
    if journal.exists():
        sweep.left.write_bytes(journal.read_bytes())


def delete(journal: Path, _: bytes) -> None:
    """Delete it for good."""
    journal.unlink()


def put_back(journal: Path, _: bytes) -> None:
    """Rename it, and back."""
    away = journal.with_name("away.log")
    journal.rename(away)
    time.sleep(_AWAY_S)
    os.link(away, journal)  # fails if a new one has been made in the meantime
    away.unlink()


def truncate(journal: Path, older: bytes) -> None:
    """Cut it where it ended a moment ago."""
    os.truncate(journal, len(older))


def replace(journal: Path, older: bytes) -> None:
    """Put an older copy in its place, as a restored snapshot does."""
    copy = journal.with_name("older.log")
    copy.write_bytes(older)
    copy.replace(journal)


def write_over(journal: Path, older: bytes) -> None:
    """Write an older copy over the same file, as `cp` and `rsync --inplace` do."""
    journal.write_bytes(older)
