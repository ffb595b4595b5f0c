"""Conversion of a folder of published files to Parquet on all cores, resumable.

Files are written to a staging folder beside the destination and moved at the end, so the
destination stays unchanged if a file is refused. A conversion that was killed resumes from the
staging folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from commons.files import sha256
from commons.locks import FileLock
from commons.pools import advance, run_tasks
from mlpf import __version__
from mlpf.data.events import Events, read_provenance, write_events
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
        One line for each damaged source file, which was left out. Empty if all were converted.

    Raises:
        RefusedPickle: a file would run code. `dst` is left as it was.
        ValueError: an argument is out of range, `src` has no such files, or `dst` holds results
            of other settings and `overwrite` is false.
    """
    for name, value in (("events_per_file", events_per_file), ("n_processes", n_processes)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be >= 1 or null, got {value}")
    sources = sorted(src.glob(f"*{SUFFIX}"))
    if not sources:
        raise ValueError(f"src={src}: no *{SUFFIX} files there")
    dst = dst.resolve()
    files = [SourceFile(source, dst, events_per_file, overwrite) for source in sources]
    with FileLock(files[0].staging).kept_fresh():
        return _convert_all(files, n_processes)


def _convert_all(files: Sequence[SourceFile], n_processes: int | None) -> list[str]:
    staging = files[0].staging
    try:
        problems = run_tasks(
            _convert, files, n_steps=len(files), description="files", n_processes=n_processes
        )
    except ValueError:  # the user must act first; a killed conversion keeps the folder
        shutil.rmtree(staging, ignore_errors=True)
        raise
    for file in files:
        _publish(file)
    shutil.rmtree(staging, ignore_errors=True)
    return [problem for problem in problems if problem]


def _convert(file: SourceFile) -> str:
    """Convert one file; return the line about what is wrong with it, empty if nothing is."""
    provenance = file.provenance()
    if not _is_converted(file, provenance):
        try:
            events = correct(read_published(file.path))
        except DamagedPickle as error:
            advance()
            return str(error)
        _write(events, file, provenance)
    advance()
    return ""


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
        parts = {"part": part, "n_parts": len(starts)}
        write_events(chosen, file.staging / f"{file.stem}{number}.parquet", provenance | parts)


def _results(file: SourceFile, folder: Path) -> list[Path]:
    """Return the results of one source file in a folder, in order."""
    name = re.compile(re.escape(file.stem) + r"(\.\d{3,})?\.parquet")
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in files if name.fullmatch(path.name))


def _is_complete(file: SourceFile, folder: Path, provenance: dict[str, Any]) -> bool:
    found = [read_provenance(path) for path in _results(file, folder)]
    expected = [provenance | {"part": part, "n_parts": len(found)} for part in range(len(found))]
    return bool(found) and found == expected


def _publish(file: SourceFile) -> None:
    """Move the staged results of one source file to the destination, in place of older ones."""
    staged = _results(file, file.staging)
    if not staged:
        return
    file.destination.mkdir(parents=True, exist_ok=True)
    for stale in _results(file, file.destination):
        stale.unlink()
    for path in staged:
        path.rename(file.destination / path.name)
