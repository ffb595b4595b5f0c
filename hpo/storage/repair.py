"""A clean copy in place of a damaged journal, for readers that stop at the damage."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from commons.locks import FileLock
from hpo.storage.records import dump, parse


def mend_journal(path: Path) -> Path:
    """Replace a journal by a copy that has its whole records only; return what the old one is now.

    To be done when no worker uses it: on a network file system those of other hosts might go on
    writing to the old file for a while. Readers are not disturbed: the records are the same.

    Raises:
        OSError: it could not be done, and nothing has changed.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with FileLock(path) as lock:
        try:
            with path.open("rb") as old, partial.open("wb") as new:
                for number, line in enumerate(old):
                    records, pieces = parse(line)
                    whole = len(records) == 1 and not pieces and line.endswith(b"\n")
                    new.writelines([line] if whole else map(dump, records))
                    if number % 10_000 == 0:
                        lock.refresh()
                new.flush()
                os.fsync(new.fileno())
            shutil.copymode(path, partial)
            try:
                kept.hardlink_to(path)  # so that there is a journal at every moment
            except OSError:  # a file system without hard links
                shutil.copy2(path, kept)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return kept
