"""The damaged places of a journal, and a clean copy for readers that stop at them."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from commons.files import replacing, sync
from commons.locks import FileLock
from commons.optuna_internals import JournalOperation
from hpo.storage.records import Record, describe, dump, parse


@dataclass(frozen=True)
class Damage:
    """A damaged line of a journal.

    Attributes:
        offset: of the line, in bytes.
        length: in bytes.
        kind: "torn" (a part of a record), "merged" (several whole records), "garbage" (no record,
            or an impossible one), "unfinished" (the last line; its writer may still be writing).
        n_salvaged: whole records in it.
        what: what was lost, as far as it is known; empty: nothing.
    """

    offset: int
    length: int
    kind: Literal["torn", "merged", "garbage", "unfinished"]
    n_salvaged: int
    what: str


def scan(path: str | os.PathLike[str]) -> list[Damage]:
    """Return the damaged places of a journal, first to last.

    Raises:
        OSError: it cannot be read.
    """
    damages = []
    numbers = _TrialNumbers()
    offset = 0
    with Path(path).open("rb") as file:
        for line in file:
            records, pieces = parse(line)
            if pieces or len(records) != 1 or not line.endswith(b"\n"):
                what = "; ".join(describe(piece, numbers.of) for piece in pieces)
                kind = _kind(line, pieces)
                damages.append(Damage(offset, len(line), kind, len(records), what))
            for record in records:
                numbers.follow(record)
            offset += len(line)
    return damages


def mend_journal(path: Path) -> Path:
    """Replace a journal by a copy with its whole records only; return the new path of the old one.

    Call it when no worker uses the journal: on a network file system workers of other hosts may
    write to the old file for a while. Readers may go on: the records are the same.

    Raises:
        OSError: the copy cannot be written; nothing has changed.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    with FileLock(path) as lock, replacing(path) as partial:
        with path.open("rb") as old, partial.open("wb") as new:
            for number, line in enumerate(old):
                records, pieces = parse(line)
                whole = len(records) == 1 and not pieces and line.endswith(b"\n")
                new.writelines([line] if whole else map(dump, records))
                if number % 10_000 == 0:
                    lock.refresh()
        sync(partial)  # while nothing has changed
        shutil.copymode(path, partial)
        try:
            kept.hardlink_to(path)  # the journal exists at every moment
        except OSError:  # a file system without hard links
            shutil.copy2(path, kept)
    return kept


class _TrialNumbers:
    """Numbers of trials in their studies; the records have ids that count over all studies."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}  # number by id
        self._names: list[str | None] = []  # by id of the study; None: deleted
        self._counts: list[int] = []

    def follow(self, record: Record) -> None:
        code = record["op_code"]
        if code == JournalOperation.CREATE_STUDY and record["study_name"] not in self._names:
            self._names.append(record["study_name"])
            self._counts.append(0)
        study = record.get("study_id", -1)
        if not 0 <= study < len(self._names) or self._names[study] is None:
            return
        if code == JournalOperation.DELETE_STUDY:
            self._names[study] = None
        elif code == JournalOperation.CREATE_TRIAL:
            self.of[len(self.of)] = self._counts[study]
            self._counts[study] += 1


def _kind(line: bytes, pieces: list[bytes]) -> Literal["torn", "merged", "garbage", "unfinished"]:
    if not line.endswith(b"\n"):
        return "unfinished"
    if not pieces:
        return "merged"
    return "torn" if any(_is_torn(piece) for piece in pieces) else "garbage"


def _is_torn(piece: bytes) -> bool:
    if not piece.startswith(b"{"):
        return False
    try:
        json.loads(piece)
    except (ValueError, RecursionError):
        return True
    return False  # valid JSON, but no operation
