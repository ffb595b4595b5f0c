"""Whether a journal file is still the one that this process has read.

A file may be deleted, truncated or replaced while processes work on it: by a purge of scratch
space, a restored snapshot, rsync, or a second sweep in the same place. A line of a journal never
changes and never goes away, so the last record read proves which file it is.
"""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

from commons.cli import Failure
from hpo.settings import SweepFailure
from hpo.storage.records import dump, parse

_TAIL = 512  # bytes of a record that are compared


class StorageLostError(SweepFailure, Failure):
    """The storage of a study is gone, or another one is in its place; the process has to end.

    Its text says what happened and what to do.
    """


class Mark(NamedTuple):
    """The last line that was read.

    Attributes:
        number: records up to its end.
        end: offset of its end.
        line: its bytes.
        last: the last line with a record, which may be an earlier one.
        first: the first line of the file.
    """

    number: int = 0
    end: int = 0
    line: bytes = b""
    last: bytes = b""
    first: bytes = b""

    def after(self, number: int, end: int, lines: list[bytes], last: bytes) -> Mark:
        """Return the mark after further lines.

        Args:
            number: records up to their end.
            end: offset of it.
            lines: in order.
            last: the last of them with a record, if there is one.
        """
        last = last if number > self.number else self.last
        return Mark(number, end, lines[-1], last, self.first or lines[0])

    def is_in(self, descriptor: int) -> bool:
        """Tell whether the line is at its place in an open file."""
        tail = self.line[-_TAIL:]
        return os.pread(descriptor, len(tail), self.end - len(tail)) == tail

    def found_in(self, file: BinaryIO) -> Mark | None:
        """Return where the last record is in another file; None: that does not have it.

        A mended copy has the same records at other places.
        """
        mark = Mark()
        for line in file:
            if mark.number >= self.number or not line.endswith(b"\n"):
                break
            records, _ = parse(line)
            mark = mark.after(mark.number + len(records), mark.end + len(line), [line], line)
        if mark.number < self.number:
            return None
        if self.number and _record(mark.last, self.number - mark.number) != _record(self.last):
            return None
        return mark

    def lost(self, path: object, descriptor: int) -> StorageLostError:
        """Return the error for a file that does not have the line."""
        size = os.fstat(descriptor).st_size
        if not size:
            what = "it is empty: truncated, or replaced by a new file"
        elif os.pread(descriptor, len(self.first), 0) != self.first:
            what = "another journal is in its place"
        elif size < self.end:
            what = "it was truncated or replaced by an older copy"
        else:
            what = "it was replaced by an older copy, or cut, and has grown since"
        return StorageLostError(
            f"{path}: this is not the journal any more that this process has used: {what} "
            f"({self.end} bytes were read, it has {size}). Nothing more is written to it. End the "
            "other processes of the study, move the right file back and repeat the command; "
            "without it, the command goes on from what this file has"
        )


def _record(line: bytes, before_last: int = 0) -> bytes:
    return dump(parse(line)[0][before_last - 1])
