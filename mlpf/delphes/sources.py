"""Files of events that `mlpf.convert` reads: published pickles and Delphes ROOT files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from mlpf.data.events import Events
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.published import correct, read_published
from mlpf.delphes.root import open_root

PICKLE, ROOT = ".pkl.bz2", ".root"
SUFFIXES: Final = (PICKLE, ROOT)
_KINDS: Final = " or ".join(f"*{suffix}" for suffix in SUFFIXES)


def find_sources(src: str) -> list[Path]:
    """Return the files that `src` stands for: a folder, a file, or a pattern such as `DIR/*.root`.

    Raises:
        ValueError: there are none, one is of another kind, or the results of two would have the
            same name.
    """
    path = Path(src)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.name.endswith(SUFFIXES)]
    elif path.exists():
        files = [path]
    else:
        files = [*Path(path.anchor).glob(str(path.relative_to(path.anchor)))]
    if not files:
        raise ValueError(f"src={src}: no {_KINDS} files there")
    sources: dict[str, Path] = {}
    for file in sorted(files):
        if not file.name.endswith(SUFFIXES):
            raise ValueError(f"src={src}: {file} is not named {_KINDS}")
        other = sources.setdefault(stem(file), file)
        if other is not file:
            raise ValueError(f"{other} and {file} would have one result; convert them apart")
    return [*sources.values()]


def stem(path: Path) -> str:
    """Return the name of a source without its suffix.

    >>> stem(Path("data/ttbar.pkl.bz2")), stem(Path("ttbar.pu20.root"))
    ('ttbar', 'ttbar.pu20')
    """
    return path.name.removesuffix(PICKLE).removesuffix(ROOT)


def open_source(path: Path) -> tuple[int, Iterator[Events]]:
    """Return the number of events of a file and, a few at a time, its events, labels corrected.

    Raises:
        ConfigError: a ROOT file cannot be read, since `uproot` is not installed.
        RefusedPickle: a pickle would run code.
        DamagedFile: the file is damaged or a value is beyond float32; also when the events are
            read. The message names the file and, where there is one, the event.
    """
    if path.name.endswith(ROOT):
        n_events, portions = open_root(path)
        return n_events, _corrected(path, portions)
    published = read_published(path)
    return len(published), _corrected(path, iter([published]))


def _corrected(path: Path, portions: Iterator[Events]) -> Iterator[Events]:
    first_event = 0
    for portion in portions:
        events = correct(portion)
        for table in ("x", "ygen", "ycand"):
            rows = np.flatnonzero(~np.isfinite(getattr(events, table)).all(axis=1))
            if len(rows):  # too large for float32, or for cosh(eta)
                event = int(np.searchsorted(events.offsets, rows[0], side="right")) - 1
                raise DamagedFile(
                    f"{path}: event {first_event + event}: {table} has a value beyond float32"
                )
        yield events
        first_event += len(events)
