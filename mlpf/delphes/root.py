"""Delphes ROOT files as events, with the published labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlpf.data.events import Events
from mlpf.delphes.branches import Chunk, open_chunks
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.generated import describe
from mlpf.delphes.labels import label
from mlpf.delphes.links import resolve


def open_root(path: Path) -> tuple[int, Iterator[Events]]:
    """Return the number of events of a file and, a few at a time, its events.

    Labels are the published ones, without corrections; see `mlpf.delphes.published.correct`. The
    events have generator information, unless its branches were left out of the file.

    Raises:
        ConfigError: `uproot` is not installed.
        DamagedFile: see `open_chunks` and `resolve`; also when the events are read. The message
            names the file.
    """
    with _naming(path):
        n_events, chunks = open_chunks(path)
    return n_events, _events(path, chunks)


def _events(path: Path, chunks: Iterator[Chunk]) -> Iterator[Events]:
    first_event = 0
    with _naming(path):
        for chunk in chunks:
            links = resolve(chunk, first_event)
            events = replace(label(chunk, links), generator=describe(chunk, links))
            yield events
            first_event += len(events)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedFile as error:
        raise DamagedFile(f"{path}: {error}") from error
