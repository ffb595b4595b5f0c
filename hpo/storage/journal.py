"""An Optuna journal file that survives the faults of clusters.

    storage = optuna.storages.JournalStorage(JournalFile("study.log"))

The format is Optuna's. A worker killed while it writes, a full disk or a crashed node damages a
line; Optuna's backend then stops every process that joins later. This one skips damaged places and
uses the whole records in them. Every process sees the same records in the same order, whenever it
joins: a line that ends with a newline never changes, and its records depend on its bytes only.
`python -m hpo.doctor` reports what was lost and cleans the file.

A process that has read a record goes on only with a file that has it, see `hpo.storage.identity`.
The file is created with the study; if it is gone later, operations fail until it is back.
"""

from __future__ import annotations

import logging
import math
import os
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from optuna.storages.journal import BaseJournalBackend

from commons.files import is_of_one_host
from commons.locks import FileLock
from hpo.storage.identity import Mark
from hpo.storage.records import Record, describe, dump, parse

_BLOCK = 1 << 16  # bytes that are read at once, at least
_STRIDE = 1000  # records between two places that are kept
_LOOK_AGAIN_S = 0.1  # a network file system may show something else for a moment
_log = logging.getLogger(__name__)
_warned: set[tuple[str, int]] = set()


class JournalFile(BaseJournalBackend):
    """A journal file for `optuna.storages.JournalStorage`; reading never waits for a lock.

    Args:
        path: the file; made absolute at once.
        grace_s: of the lock, see `commons.locks.FileLock`.
        exists: another process has created it; False: it is created if it does not exist.

    Raises:
        OSError: the file cannot be created, or does not exist.

    Example:
        >>> import tempfile, optuna
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     storage = optuna.storages.JournalStorage(JournalFile(f"{folder}/study.log"))
        ...     study = optuna.create_study(storage=storage)
        ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        ...     len(study.trials)
        3
    """

    def __init__(
        self, path: str | os.PathLike[str], grace_s: float = 10.0, *, exists: bool = False
    ) -> None:
        self._path = Path(path).absolute()
        self._lock = FileLock(self._path, grace_s)
        self._mark = Mark()
        self._forget()
        # The only place that creates it: a process that lost it must not begin a second one.
        with self._path.open("rb" if exists else "ab") as file:
            self._file = _identity(file.fileno())

    def read_logs(self, log_number_from: int) -> Iterator[Record]:
        """Yield the records from number `log_number_from` on, counted from 0.

        Raises:
            OSError: the file is not there, or cannot be read.
            StorageLostError: it is not the file that was read before.
        """
        # Opened each time: that is when a network file system looks for changes.
        while not self._is_same((file := self._path.open("rb")).fileno()):
            file.close()
            self._find_again()
        number, offset = self._start(log_number_from)
        for at, lines in self._blocks(file, offset):
            records, last = self._records(at, lines)
            begin, number = number, number + len(records)
            # Noted before they are yielded: Optuna may stop here and ask for the next ones later.
            self._note(number, at + sum(map(len, lines)), lines, last)
            yield from records[max(0, log_number_from - begin) :]

    def append_logs(self, logs: list[Record]) -> None:
        """Append records in one piece, and return when they are on the disk.

        Raises:
            OSError: they cannot be written (no such file, disk full); no part of a record is left.
            StorageLostError: it is not the file that was read before.
        """
        content = b"".join(map(dump, logs))
        while content and not self._append(content):
            self._find_again()

    def _append(self, content: bytes) -> bool:
        """Append whole lines; False, and nothing is written, if the file has changed."""
        with ExitStack() as stack:
            with self._lock:
                descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND)
                stack.callback(os.close, descriptor)
                if not self._is_same(descriptor):
                    return False
                _write(descriptor, content)
                seen_by_all = is_of_one_host(descriptor)
                if not seen_by_all:
                    os.fsync(descriptor)
            if seen_by_all:  # then nobody has to wait for this wait
                os.fsync(descriptor)
        return True

    def _blocks(self, file: BinaryIO, offset: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the finished lines from `offset` on, some at a time, with the offset of the first.

        The file is closed.
        """
        try:
            while True:
                file.seek(offset)
                # What follows an unfinished line is not read: it may be the rest of it.
                lines = [*takewhile(_is_whole, file.readlines(_BLOCK))]
                if not lines:
                    return
                if self._has_new_nuls(offset, lines):
                    # NFS may show NUL bytes for what another host is writing: look again later.
                    file.close()
                    time.sleep(0.1)
                    file = self._path.open("rb")
                    file.seek(offset)
                    content = b"".join(lines)
                    if file.read(len(content)) != content:
                        continue
                yield offset, lines
                offset += sum(map(len, lines))
        finally:
            file.close()

    def _has_new_nuls(self, at: int, lines: list[bytes]) -> bool:
        for line in lines:
            if b"\0" in line and (str(self._path), at) not in _warned:
                return True
            at += len(line)
        return False

    def _records(self, at: int, lines: list[bytes]) -> tuple[list[Record], bytes]:
        """Return the records of lines, and the last line that has one."""
        records, last = list[Record](), b""
        for line in lines:
            found, pieces = parse(line)
            if pieces or len(found) != 1:
                self._warn(at, found, pieces)
            if found:
                records += found
                last = line
            at += len(line)
        return records, last

    def _is_same(self, descriptor: int) -> bool:
        return _identity(descriptor) == self._file and self._mark.is_in(descriptor)

    def _find_again(self) -> None:
        """Accept another file if it has the last record: mended, or copied and put back."""
        time.sleep(_LOOK_AGAIN_S)
        with self._path.open("rb") as file:
            mark = self._mark.found_in(file)
            if mark is None:
                raise self._mark.lost(self._path, file.fileno())
            self._file, self._mark = _identity(file.fileno()), mark
            self._forget()

    def _start(self, wanted: int) -> tuple[int, int]:
        """Return a record number up to `wanted` that begins a line, and its offset."""
        if self._last[0] <= wanted:
            return self._last
        return self._known[bisect_right(self._known, (wanted, math.inf)) - 1]

    def _forget(self) -> None:
        self._known = [(0, 0)]  # some record numbers that begin a line, with its offset
        self._last = (0, 0)

    def _note(self, number: int, end: int, lines: list[bytes], last: bytes) -> None:
        """Note that lines end with a record number and at an offset."""
        if number >= self._known[-1][0] + _STRIDE:
            self._known.append((number, end))
        self._last = max(self._last, (number, end))
        if end > self._mark.end:
            self._mark = self._mark.after(number, end, lines, last)

    def _warn(self, offset: int, records: list[Record], pieces: list[bytes]) -> None:
        place = str(self._path), offset
        if place in _warned:
            return
        _warned.add(place)
        _log.warning(
            "%s: the line at byte %d is damaged (%s); records in it that are used: %d. "
            "python -m hpo.doctor storage=%s tells more",
            self._path,
            offset,
            ", ".join(describe(piece, {}) for piece in pieces) or "a newline is missing",
            len(records),
            self._path,
        )


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _is_whole(line: bytes) -> bool:
    return line.endswith(b"\n")


def _write(descriptor: int, content: bytes) -> None:
    """Append whole lines, all or only some of them; raises OSError then."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        content = b"\n" + content  # end what a dead writer left
    try:
        while content:  # once; a full disk takes a part, then refuses
            content = content[os.write(descriptor, content) :]
    except BaseException:
        with suppress(OSError):
            _cut_half_record(descriptor, size)
        raise


def _cut_half_record(descriptor: int, old_size: int) -> None:
    """Cut a part of a record after `old_size`. Other processes may have read the whole lines."""
    written = os.pread(descriptor, os.fstat(descriptor).st_size - old_size, old_size)
    whole = written.rfind(b"\n") + 1
    if whole < len(written):
        os.ftruncate(descriptor, old_size + whole)
