"""Small file operations that must be right when several processes work in one folder."""

from __future__ import annotations

import fcntl
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` alone, after waiting for whoever holds it.

    The operating system releases the lock when its holder ends, however it ends, so a lock is
    never stale; the file itself stays.

    Raises:
        OSError: the file system has no locks (some Lustre mounts).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # held by another process, in POSIX words
            _log.info("waiting for another process that holds %s", path)
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
