"""Conversion of published files and Delphes ROOT files to Parquet on all cores, resumable.

Files are written to a staging folder beside the destination and moved at the end, so the
destination stays unchanged if a file is refused. A conversion that was killed resumes from the
staging folder. A result belongs to the source that its metadata name, whatever its own name; at
the end the events in the results of each source are counted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from commons.files import sha256
from commons.locks import FileLock
from commons.pools import advance, run_tasks
from mlpf import __version__
from mlpf.data.events import Events
from mlpf.data.files import read_provenance, write_events
from mlpf.data.portions import check_is_file
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.published import CORRECTIONS, NOT_CORRECTED
from mlpf.delphes.sources import find_sources, open_source, stem


@dataclass(frozen=True)
class SourceFile:
    """One source file and the settings of its conversion, see `convert_files`."""

    path: Path
    destination: Path
    events_per_file: int | None
    overwrite: bool

    @property
    def staging(self) -> Path:
        """Folder in which the results wait until all files are read."""
        return self.destination.with_name(self.destination.name + ".partial")

    @property
    def n_steps(self) -> int:
        """Size of the source in MiB, at least 1: what its conversion adds to the progress."""
        return max(1, self.path.stat().st_size >> 20) if self.path.is_file() else 1

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


@dataclass
class _Progress:
    """Of one source, in steps of the progress bar."""

    n_steps: int
    done: int = 0

    def reach(self, share: float) -> None:
        """Show that this share of the work, 0 to 1, is done."""
        n = int(share * self.n_steps) - self.done
        advance(n)
        self.done += n


def convert_files(
    src: str | Path,
    dst: Path,
    *,
    events_per_file: int | None = None,
    overwrite: bool = False,
    n_processes: int | None = None,
) -> list[str]:
    """Convert published files (`*.pkl.bz2`) and Delphes files (`*.root`) to Parquet in `dst`.

    A source `name.root` becomes `name.parquet`, or `name.000.parquet`, `name.001.parquet` and so
    on if `events_per_file` is given. Existing results of the same source content and settings are
    kept.

    Args:
        src: a folder, a file, or a pattern such as `DIR/*.root`.
        dst: folder for the results, made if needed.
        events_per_file: largest number of events per result, at least 1; None for no limit.
        overwrite: make all results again, even existing ones.
        n_processes: files read at the same time, at least 1; None for one per core.

    Returns:
        One line for each source that was left out: damaged, of another card, or no readable file.
        Empty if all were converted.

    Raises:
        RefusedPickle: a file would run code. `dst` is left as it was.
        ConfigError: there are ROOT files, and `uproot` is not installed.
        ValueError: an argument is out of range, `src` has no such files, two of them would have
            results of one name, `dst` holds results of other settings and `overwrite` is false,
            or of a source of another name.
    """
    for name, value in (("events_per_file", events_per_file), ("n_processes", n_processes)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be >= 1 or null, got {value}")
    dst = dst.resolve()
    files = [
        SourceFile(source, dst, events_per_file, overwrite) for source in find_sources(str(src))
    ]
    # Other conversions into this folder wait. The file of the lock is made, never opened through
    # a link, and lies outside of the staging folder, which is removed.
    with FileLock(files[0].staging).kept_fresh():
        return _convert_all(files, n_processes)


def _convert_all(files: Sequence[SourceFile], n_processes: int | None) -> list[str]:
    staging = files[0].staging
    try:
        outcomes = run_tasks(
            _convert,
            files,
            n_steps=sum(file.n_steps for file in files),
            description="MiB",
            n_processes=n_processes,
        )
        # Of a file that was found to be damaged at its end, some parts may be there.
        staged = {
            file: _results(file, staging)
            for file, outcome in zip(files, outcomes, strict=True)
            if isinstance(outcome, int)
        }
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
    progress = _Progress(file.n_steps)
    try:
        return _n_converted(file, progress)
    except DamagedFile as error:
        return str(error)
    finally:
        progress.reach(1)


def _n_converted(file: SourceFile, progress: _Progress) -> int:
    try:
        check_is_file(file.path)
        provenance = file.provenance()
    except OSError as error:
        raise DamagedFile(f"{file.path}: {error.strerror or error}") from error
    if _is_converted(file, provenance):
        return _n_events(file, file.staging) or _n_events(file, file.destination)
    n_events, portions = open_source(file.path)
    step = file.events_per_file or n_events
    n_parts = -(-n_events // step)
    pieces = _cut(portions, step, n_events, progress)
    for part, group in groupby(pieces, key=itemgetter(0)):
        number = f".{part:03d}" if file.events_per_file else ""
        parts = {"part": part, "n_parts": n_parts, "n_events": n_events}
        path = file.staging / f"{stem(file.path)}{number}.parquet"
        write_events((events for _, events in group), path, provenance | parts)
    return n_events


def _cut(
    portions: Iterator[Events], step: int, n_events: int, progress: _Progress
) -> Iterator[tuple[int, Events]]:
    """Yield the events in pieces of at most `step`, each with the number of its part."""
    done = 0
    for events in portions:
        start = 0
        while start < len(events):
            part, n_there = divmod(done, step)
            end = min(start + step - n_there, len(events))
            yield part, events.take(np.arange(start, end))
            done += end - start
            start = end
            progress.reach(done / n_events)


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


def _results(file: SourceFile, folder: Path) -> list[Path]:
    """Return the results of one source file in a folder, in order.

    Without splitting, `a.000.pkl.bz2` gives the name that a part of `a.pkl.bz2` has.
    """
    name = re.compile(re.escape(stem(file.path)) + r"(\.\d{3,})?\.parquet")
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
