"""Conversion of a folder of published files to Parquet on all cores, resumable.

Files are written to a staging folder beside the destination and moved at the end, so the
destination stays unchanged if a file is refused. A conversion that was killed resumes from the
staging folder. A result belongs to the source that its metadata name, whatever its own name; at
the end the events in the results of each source are counted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from commons.files import sha256
from commons.locks import FileLock
from commons.pools import advance, run_tasks
from mlpf import __version__
from mlpf.data.events import Events, check_is_file, read_provenance, write_events
from mlpf.delphes.published import CORRECTIONS, NOT_CORRECTED, correct, read_published
from mlpf.delphes.unpickle import DamagedPickle

SUFFIX: Final = ".pkl.bz2"


@dataclass(frozen=True)
class SourceFile:
    """One source file and the settings of its conversion, see `convert_folder`."""

    path: Path
    destination: Path
    events_per_file: int | None
    overwrite: bool

    @property
    def stem(self) -> str:
        """Name of the source file without its suffix."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def staging(self) -> Path:
        """Folder in which the results wait until all files are read."""
        return self.destination.with_name(self.destination.name + ".partial")

    def provenance(self) -> dict[str, Any]:
        """Return what decides the content of the results."""
        return {
            "source_file": self.path.name,
            "source_sha256": sha256(self.path),
            "made_by": f"mlpf.convert {__version__}",
            "corrections": [correction.__name__ for correction in CORRECTIONS],
            "not_corrected": list(NOT_CORRECTED),
            "events_per_file": self.events_per_file,
        }


def convert_folder(
    src: Path,
    dst: Path,
    *,
    events_per_file: int | None = None,
    overwrite: bool = False,
    n_processes: int | None = None,
) -> list[str]:
    """Convert every `*.pkl.bz2` file of `src` into Parquet files in `dst`.

    A source `name.pkl.bz2` becomes `name.parquet`, or `name.000.parquet`, `name.001.parquet` and
    so on if `events_per_file` is given. Existing results of the same source content and settings
    are kept.

    Args:
        src: folder with the published files.
        dst: folder for the results, made if needed.
        events_per_file: largest number of events per result, at least 1; None for no limit.
        overwrite: make all results again, even existing ones.
        n_processes: files read at the same time, at least 1; None for one per core.

    Returns:
        One line for each source that was left out: damaged, or no readable file. Empty if all were
        converted.

    Raises:
        RefusedPickle: a file would run code. `dst` is left as it was.
        ValueError: an argument is out of range, `src` has no such files, `dst` holds results of
            other settings and `overwrite` is false, or of a source of another name.
    """
    for name, value in (("events_per_file", events_per_file), ("n_processes", n_processes)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be >= 1 or null, got {value}")
    sources = sorted(src.glob(f"*{SUFFIX}"))
    if not sources:
        raise ValueError(f"src={src}: no *{SUFFIX} files there")
    dst = dst.resolve()
    files = [SourceFile(source, dst, events_per_file, overwrite) for source in sources]
    # Other conversions into this folder wait. The file of the lock is made, never opened through
    # a link, and lies outside of the staging folder, which is removed.
    with FileLock(files[0].staging).kept_fresh():
        return _convert_all(files, n_processes)


def _convert_all(files: Sequence[SourceFile], n_processes: int | None) -> list[str]:
    staging = files[0].staging
    try:
        outcomes = run_tasks(
            _convert, files, n_steps=len(files), description="files", n_processes=n_processes
        )
        staged = {file: _results(file, staging) for file in files}
        _check_owners(staged)
    except ValueError:  # the user must act first; a killed conversion keeps the folder
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _publish(staged)
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, int):
            _check_sum(file, outcome)
    shutil.rmtree(staging, ignore_errors=True)
    return [problem for problem in outcomes if isinstance(problem, str)]


def _convert(file: SourceFile) -> int | str:
    """Convert one file; return its number of events, or the line about what is wrong with it."""
    try:
        check_is_file(file.path)
        provenance = file.provenance()
        if _is_converted(file, provenance):
            return _n_events(file, file.staging) or _n_events(file, file.destination)
        events = _read(file.path)
    except DamagedPickle as error:
        return str(error)
    except OSError as error:
        return f"{file.path}: {error.strerror or error}"
    finally:
        advance()
    _write(events, file, provenance)
    return len(events)


def _read(path: Path) -> Events:
    events = correct(read_published(path))
    for table in ("x", "ygen", "ycand"):
        rows = np.flatnonzero(~np.isfinite(getattr(events, table)).all(axis=1))
        if len(rows):  # too large for float32, or for cosh(eta)
            event = int(np.searchsorted(events.offsets, rows[0], side="right")) - 1
            raise DamagedPickle(f"{path}: event {event}: {table} has a value beyond float32")
    return events


def _n_events(file: SourceFile, folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in _results(file, folder))


def _check_sum(file: SourceFile, n_events: int) -> None:
    n_found = _n_events(file, file.destination)
    if n_found != n_events:
        raise ValueError(
            f"{file.destination} holds {n_found} of the {n_events} events of {file.path.name}; "
            "overwrite=true makes its results again"
        )


def _check_owners(staged: Mapping[SourceFile, Sequence[Path]]) -> None:
    """Refuse to replace a result of a source that is not converted now: its events would be lost.

    Raises:
        ValueError: there is one.
    """
    sources = {file.path.name for file in staged}
    for file, paths in staged.items():
        for path in paths:
            target = file.destination / path.name
            owner = read_provenance(target).get("source_file") if target.exists() else None
            if target.exists() and owner not in sources:
                raise ValueError(
                    f"{target} was made from {owner}, not from {file.path.name}; take another dst"
                )


def _is_converted(file: SourceFile, provenance: dict[str, Any]) -> bool:
    """Tell whether the results exist, in the destination or from a conversion that was killed."""
    if not file.overwrite and _is_complete(file, file.destination, provenance):
        return True
    if not file.overwrite and _results(file, file.destination):
        raise ValueError(
            f"{file.destination} holds results of {file.path.name} made from other content or "
            "with other settings; overwrite=true replaces them"
        )
    return _is_complete(file, file.staging, provenance)


def _write(events: Events, file: SourceFile, provenance: dict[str, Any]) -> None:
    step = file.events_per_file or len(events)
    starts = range(0, len(events), step)
    for part, start in enumerate(starts):
        number = f".{part:03d}" if file.events_per_file else ""
        chosen = events.take(np.arange(start, min(start + step, len(events))))
        parts = {"part": part, "n_parts": len(starts), "n_events": len(events)}
        write_events(chosen, file.staging / f"{file.stem}{number}.parquet", provenance | parts)


def _results(file: SourceFile, folder: Path) -> list[Path]:
    """Return the results of one source file in a folder, in order.

    Without splitting, `a.000.pkl.bz2` gives the name that a part of `a.pkl.bz2` has.
    """
    name = re.compile(re.escape(file.stem) + r"(\.\d{3,})?\.parquet")
    files = [path for path in _entries(folder) if name.fullmatch(path.name)]
    return [path for path in files if read_provenance(path).get("source_file") == file.path.name]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_complete(file: SourceFile, folder: Path, provenance: dict[str, Any]) -> bool:
    """Tell whether all results of the file are there, of this content and with these settings."""
    results = _results(file, folder)
    n_events = _n_events(file, folder)
    for part, path in enumerate(results):
        made = read_provenance(path)
        # An earlier version did not write the number.
        expected = {"part": part, "n_parts": len(results), "n_events": made.get("n_events")}
        if made.get("n_events", n_events) != n_events or made | expected != provenance | expected:
            return False
        if any(made.get(key) != expected[key] for key in ("part", "n_parts")):
            return False
    return bool(results)


def _publish(staged: Mapping[SourceFile, Sequence[Path]]) -> None:
    """Move the staged results to the destination, in place of older ones of the same sources."""
    for file, paths in staged.items():
        if paths:
            file.destination.mkdir(parents=True, exist_ok=True)
            for stale in _results(file, file.destination):
                stale.unlink()
    for file, paths in staged.items():
        for path in paths:
            path.rename(file.destination / path.name)
