"""Small file operations that must be right when several processes work in one folder."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

_OF_ONE_HOST = {"ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs", "zfs"}


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target`; the file written there then takes the name `target`.

    A reader sees the old file or the new one, whole. The content is on the disk before the name
    is, so a node that is lost leaves no empty file. The folder is made if needed.

    Raises:
        OSError: the file system is full or refuses; the error names `target`, which is as before.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        sync(partial)
        partial.replace(target)
        with suppress(OSError):  # some file systems cannot sync a folder
            sync(target.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(partial)):
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as `replacing` does.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(content, indent=1, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(f"{text}\n")


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_of_one_host(descriptor: int) -> bool:
    """Tell whether an open file is known to lie on a file system of this host.

    All processes that use such a file see what one of them has written at once. On a network file
    system others see it after `fsync`; one that is not known counts as such.
    """
    return _is_of_one_host(os.fstat(descriptor).st_dev)


@lru_cache(maxsize=64)
def _is_of_one_host(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError), open("/proc/self/mountinfo") as file:  # noqa: PTH123
        for line in file:
            place, _, kind = line.partition(" - ")
            if place.split()[2] == number:
                return kind.split()[0] in _OF_ONE_HOST
    return False


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
