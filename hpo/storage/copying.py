"""Copies of folders that may change meanwhile: the checkpoint of a trial that goes on training."""

from __future__ import annotations

import errno
import fnmatch
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from commons.files import sync

_ATTEMPTS = 10
_PAUSE_S = 0.1  # before the second attempt, longer before each further one

State = dict[Path, tuple[int, int, int]]


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which takes that name when it is complete.

    So `folder` is there with all of its files, or not at all; what a process has left that died
    meanwhile is removed. If another process was faster, its folder stays.
    """
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with suppress(OSError):  # some file systems cannot sync a folder
            sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy_folder(source: Path, target: Path, leave: Sequence[str] = ()) -> None:
    """Copy a folder into an empty one, as it is at some moment.

    If something changes meanwhile, the copy is made again. Of a folder that never stands still
    the last copy is kept if no file has changed while it was read; a file that is replaced by
    another one of its name, as checkpoints should be, never does.

    Files are copied and not linked: an application may write into its files instead of replacing
    them. Links stay links; pipes and sockets are left out.

    Args:
        source: is only read.
        target: exists and is empty.
        leave: patterns of names that are left out.

    Raises:
        OSError: a file changes at each attempt, or cannot be read or written.
    """
    for attempt in range(_ATTEMPTS):
        before, is_last = _state(source, leave), attempt == _ATTEMPTS - 1
        try:
            changed = [path for path in before if not _copy(source / path, target / path)]
        except FileNotFoundError:  # removed, or replaced, in between
            if is_last:
                raise
            changed = [source]
        if not changed and (is_last or _state(source, leave) == before):
            return
        for entry in target.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        if not is_last:
            time.sleep(_PAUSE_S * (attempt + 1))
    raise OSError(errno.EBUSY, "it changes whenever it is read", str(source / changed[0]))


def _state(folder: Path, leave: Sequence[str]) -> State:
    """Return inode, size and time of each file and link, by its path in the folder."""
    found: State = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_left(name, leave)]
        for path in (Path(place, name) for name in (*files, *folders)):
            if not _is_left(path.name, leave) and (path.is_symlink() or path.is_file()):
                with suppress(FileNotFoundError):
                    stat = path.lstat()
                    known = stat.st_ino, stat.st_size, stat.st_mtime_ns
                    found[path.relative_to(folder)] = known
    return found


def _is_left(name: str, leave: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in leave)


def _copy(source: Path, target: Path) -> bool:
    """Copy a file or link; return whether it has stood still meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return True
    with source.open("rb") as reading, target.open("wb") as writing:
        before = os.fstat(reading.fileno())
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())
        after = os.fstat(reading.fileno())
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return same and target.stat().st_size == after.st_size
