"""Particles of all events of some files, in portions: memory does not grow with the files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commons.console import Console
from commons.files import sha256
from mlpf import __version__
from mlpf.config import ConfigError
from mlpf.data.files import iterate_events
from mlpf.data.matching import matching_files
from mlpf.data.portions import EventReader
from mlpf.reconstruction.inputs import model_of, one_of, output_of, threshold_of
from mlpf.reconstruction.models import Model, open_model
from mlpf.reconstruction.particles import ParticleRows
from mlpf.reconstruction.writing import FORMATS, Writer, particle_file


@dataclass(frozen=True)
class Summary:
    """What a reconstruction did."""

    n_events: int
    n_particles: int
    seconds: float  # wall time
    problems: tuple[str, ...]  # a line for each event that was left out

    def __str__(self) -> str:
        rate = self.n_events / max(self.seconds, 1e-9)
        return f"{self.n_events} events, {self.n_particles} particles, {rate:.3g} events/s"


def reconstruct_files(cfg: DictConfig) -> Summary:
    """Reconstruct events as `conf/reconstruct.yaml` says.

    Raises:
        ConfigError: an argument is wrong, or a file is no file of events.
        ValueError: a file is damaged; then nothing is written.
        OSError: the particles cannot be written.
    """
    out, paths = output_of(cfg), matching_files("events", cfg.events)
    if any(out.exists() and out.samefile(path) for path in paths):
        raise ConfigError(f"out={out}: is one of the files of events; take another name")
    by_ending = "root" if out.suffix == ".root" else "parquet"
    kind = one_of("format", cfg.format or by_ending, FORMATS)
    try:
        n_events = sum(EventReader.open(p, generator=False).metadata.num_rows for p in paths)
    except ValueError as error:
        raise ConfigError(f"events: {error}") from error
    model = open_model(model_of(cfg), threshold_of(cfg))
    inputs = [{"name": str(path), "sha256": sha256(path)} for path in paths]
    provenance = {"model": model.provenance, "events": inputs, "version": __version__}
    with particle_file(out, kind, provenance) as writer:
        return reconstruct(model, paths, writer, n_events=n_events)


def reconstruct(model: Model, paths: Sequence[Path], writer: Writer, *, n_events: int) -> Summary:
    """Find the particles of all events and write them.

    An event that cannot be read is left out; the others keep their numbers.

    Args:
        model: finds them.
        paths: Parquet files of events, with or without labels.
        writer: takes the events, in their order.
        n_events: of all files, for the progress bar.

    Raises:
        ValueError: what is wrong with a whole file.
        OSError: the particles cannot be written.
    """
    start, n_done, n_particles = time.perf_counter(), 0, 0
    problems: list[str] = []
    with _progress() as progress:
        bar = progress.add_task("reconstructing", total=n_events)
        for number, path in enumerate(paths):
            for numbers, events in iterate_events(path, on_problem=problems.append):
                rows = ParticleRows.of(*model.find(events), events.offsets)
                writer.write({"file": np.full(len(numbers), number), "event": numbers}, rows)
                n_done += len(events)
                n_particles += int(rows.offsets[-1])
                progress.update(bar, completed=n_done + len(problems))
    return Summary(n_done, n_particles, time.perf_counter() - start, tuple(problems))


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    hide = not console.is_terminal  # a file would get a line of it at the end
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hide) as progress:
        yield progress
