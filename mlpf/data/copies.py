"""Where the mapped copy of a split lies, whether it still fits its files, and how it is made.

One process makes a copy, under a lock, while the others wait for it. The copy gets its name when
it is complete. If a source file changes later, the copy is made again and the old one removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from commons.files import replacing
from commons.locks import FileLock
from commons.pools import advance, run_tasks
from mlpf.config import FileWriteError
from mlpf.data.events import Events
from mlpf.data.files import iterate_events
from mlpf.data.mapped import ROW_BYTES, MappedEvents
from mlpf.data.portions import EventReader
from mlpf.data.selection import Selection

_LAYOUT: Final = 1  # of the copies; those of another number are made again
_GRACE_S: Final = 60.0  # after that time without a sign of its owner a lock is broken

log = logging.getLogger("mlpf")


@dataclass(frozen=True)
class Chosen:
    """The events of a split: the first ones of some files that pass a selection.

    Args:
        split: its name, for messages and the name of the copy.
        files: Parquet files, at least one; their order is that of the events.
        selection: cuts on elements and events.
        limit: number of events after the selection, at least 1; None for all.
    """

    split: str
    files: Sequence[Path]
    selection: Selection
    limit: int | None = None

    def parts(self) -> Iterator[Events]:
        """Yield the events in portions, each of them bounded in memory.

        Raises:
            ValueError: a file is damaged, a file of training or validation has no truth, or no
                element is left.
        """
        n_left, n_elements, sample = self.limit, 0, None
        for raw in self._raw():
            sample = raw if len(raw.x) else sample
            part = self.selection.apply(raw)
            if n_left is not None:
                part = part.take(np.arange(min(n_left, len(part))))
                n_left -= len(part)
            n_elements += len(part.x)
            yield part
            if n_left == 0:
                break
        if not n_elements:
            cause = sample and self.selection.culprit(sample)
            reason = f"selection.{cause} removes everything" if cause else "the files are empty"
            raise ValueError(f"{self.split}: {reason}")

    def _raw(self) -> Iterator[Events]:
        for path in self.files:
            for _, events in iterate_events(path):
                if self.split != "test" and not events.has_truth:
                    raise ValueError(
                        f"{path} has no truth (columns ygen_*), which a training needs"
                    )
                yield events
            advance()


def open_events(chosen: Chosen, cache_dir: Path | None = None) -> MappedEvents:
    """Return the chosen events as a mapped copy; make it if there is none that fits the files.

    Args:
        chosen: which events.
        cache_dir: folder of the copies, made if needed. None: `mapped` beside the first file or,
            where that cannot be written, `mlpf-<user>` in $SLURM_TMPDIR or $TMPDIR.

    Raises:
        ValueError: as `Chosen.parts`, or other users could write the folder in $TMPDIR.
        FileWriteError: the copy cannot be written, usually because the disk is full.
    """
    copy = _Copy(chosen, cache_dir or chosen.files[0].parent / "mapped")
    found = copy.find()
    if found is None and cache_dir is None and not _is_writable(copy.folder):
        copy = _Copy(chosen, _private_folder())
        found = copy.find()
    return copy.make() if found is None else found


class _Copy:
    """The copy of chosen events in one folder, whether it exists or not."""

    def __init__(self, chosen: Chosen, folder: Path) -> None:
        self.chosen, self.folder = chosen, folder.absolute()
        names = [os.path.relpath(path, self.folder) for path in chosen.files]
        status = [path.stat() for path in chosen.files]
        which = _digest([names, asdict(chosen.selection), chosen.limit])
        state = _digest([_LAYOUT, *([s.st_size, s.st_mtime_ns] for s in status)])
        self.stem = f"{chosen.split}-{which}"
        self.path = self.folder / f"{self.stem}-{state}.arrow"

    def find(self) -> MappedEvents | None:
        """Return the events if the copy exists and is whole."""
        try:
            return MappedEvents(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            log.warning("%s is damaged and will be made again (%s)", self.path, error)
            return None

    def make(self) -> MappedEvents:
        """Make the copy, or wait for another process that makes it; remove what it replaces."""
        try:
            with FileLock(self.folder / self.stem, _GRACE_S).kept_fresh():
                found = self.find()
                if found is None:
                    self._remove_old()
                    self._write()
                    found = MappedEvents(self.path)
                return found
        except OSError as error:
            if error.errno is None:
                raise
            size = f"{_bytes(self.chosen.files) / 1e9:.3g} GB"
            reason = f"{error.strerror} (a copy of up to {size}; data.cache_dir=DIR: elsewhere)"
            raise FileWriteError(error.errno, reason, error.filename) from error

    def _remove_old(self) -> None:
        """Remove copies of earlier states of the files, and what a killed process has left."""
        for pattern in (f"{self.stem}-*.arrow", f".{self.stem}-*.partial"):
            for old in self.folder.glob(pattern):
                old.unlink(missing_ok=True)

    def _write(self) -> None:
        start, split = time.perf_counter(), self.chosen.split
        with replacing(self.path) as partial:
            run_tasks(
                lambda parts: MappedEvents.write(partial, parts),
                [self.chosen.parts()],
                n_steps=len(self.chosen.files),
                description=f"copying {split} files",
                n_processes=1,
            )
        sizes = {path: path.stat().st_size for path in self.folder.glob("*.arrow")}
        mb, seconds = sizes.pop(self.path) / 1e6, time.perf_counter() - start
        log.info("%s events: %s, %.0f MB in %.1f s", split, self.path, mb, seconds)
        if sizes:
            log.info("other copies there: %d, %.0f MB", len(sizes), sum(sizes.values()) / 1e6)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def _bytes(files: Sequence[Path]) -> int:
    """Return about how large a copy of all events of the files is."""
    readers = (EventReader.open(path, generator=False) for path in files)
    return sum(reader.max_elements for reader in readers) * ROW_BYTES


def _is_writable(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return os.access(existing, os.W_OK | os.X_OK)


def _private_folder() -> Path:
    """Return a folder of this user on the disk of this node; made if needed.

    Raises:
        ValueError: another user has made it, or may write to it.
    """
    parent = Path(os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir())
    folder = parent / f"mlpf-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    others_write = stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if status.st_uid != os.getuid() or others_write or not stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{folder} is not a folder of this user alone: give data.cache_dir=DIR")
    return folder
