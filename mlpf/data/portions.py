"""Parquet files of events, read in portions: memory is bounded by an event, not by a file."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlpf.data.checks import find_problem
from mlpf.data.checksums import Checksums
from mlpf.data.events import Events, no_labels
from mlpf.data.generator import Generator
from mlpf.data.layout import (
    GROUPS,
    LABELS,
    PARTICLES,
    PER_EVENT,
    SHARE,
    TABLES,
    VERSIONS,
    events_per_portion,
    number_type,
)
from mlpf.data.ragged import Offsets, offsets_of

Portion = tuple[NDArray[np.int64], Events]  # numbers in the file, shape (B,); events
_BUFFER: Final = 2**16  # bytes of a column read at once


@dataclass(frozen=True)
class EventReader:
    """A Parquet file whose schema was checked; `open` makes one."""

    path: Path
    metadata: pq.FileMetaData
    groups: tuple[str, ...]  # those of `layout.TABLES` that are read
    checksums: dict[str, str]

    @classmethod
    def open(cls, path: Path, *, generator: bool) -> EventReader:
        """Read the metadata of a file.

        Args:
            path: the file.
            generator: whether to read the generator information, if it is there.

        Raises:
            ValueError: the file is missing, not Parquet, of another schema, or lacks a column.
        """
        with naming(path):
            check_is_file(path)
            metadata = pq.read_metadata(path)
            schema = metadata.schema.to_arrow_schema()
            checksums = mapping_in(schema, "checksums")
        version = (schema.metadata or {}).get(b"schema_version", b"none").decode()
        if version not in VERSIONS:
            known = " or ".join(VERSIONS)
            raise ValueError(f"{path}: event schema version {version}, need {known}")
        needed = ["x", *LABELS] if version == "1" else ["x"]
        optional = [*LABELS, *(["gen"] if generator else [])]
        found = [group for group in optional if set(TABLES[group]) & set(schema.names)]
        groups = tuple(group for group in TABLES if group in needed or group in found)
        _check_columns(schema, [name for group in groups for name in TABLES[group]], path)
        return cls(path, metadata, groups, checksums)

    @property
    def max_elements(self) -> int:
        """Upper bound of the number of elements: Parquet counts an empty list as one value."""
        schema = self.metadata.schema
        paths = [schema.column(i).path.partition(".")[0] for i in range(len(schema.names))]
        column = paths.index("x_type")
        groups = (self.metadata.row_group(i) for i in range(self.metadata.num_row_groups))
        return sum(group.column(column).num_values for group in groups)

    def portions(self, on_problem: Callable[[str], None] | None) -> Iterator[Portion]:
        """Yield the events with their numbers; see `mlpf.data.files.iterate_events`."""
        n_read, n_kept, checksums = 0, 0, Checksums()
        for batch in self._batches():
            numbers = np.arange(n_read, n_read + len(batch))
            try:
                events = self._parsed(batch, n_read)
            except ValueError:
                kept = self._sound(batch, n_read, on_problem)
                numbers, events = numbers[kept], self._parsed(batch.take(kept), n_read)
            checksums.add(events)
            n_read += len(batch)
            n_kept += len(events)
            yield numbers, events
        if n_kept == n_read:
            self._compare(checksums.texts())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        columns = [name for group in self.groups for name in TABLES[group]]
        n_rows = events_per_portion(self.metadata.num_rows, self.max_elements)
        options = {"buffer_size": _BUFFER, "page_checksum_verification": True}
        with naming(self.path), pq.ParquetFile(self.path, **options) as file:
            yield from file.iter_batches(n_rows, columns=columns)
            if self.metadata.num_rows == 0:  # so that its tables are known to be there
                fields = [file.schema_arrow.field(name) for name in columns]
                yield pa.RecordBatch.from_pylist([], pa.schema(fields))

    def _sound(
        self, batch: pa.RecordBatch, first: int, on_problem: Callable[[str], None] | None
    ) -> list[int]:
        """Return the rows that can be read; the others are problems."""
        kept = []
        for i in range(len(batch)):
            try:
                self._parsed(batch.slice(i, 1), first + i)
                kept.append(i)
            except ValueError as error:
                line = f"{self.path}: {error}"
                if on_problem is None:
                    raise ValueError(line) from error
                on_problem(line)
        return kept

    def _parsed(self, batch: pa.RecordBatch, first: int) -> Events:
        """Return the events of a batch, of which the first has the number `first`."""
        names = [name for group in GROUPS if group in self.groups for name in TABLES[group]]
        has_generator = "gen" in self.groups
        offsets, columns = _flat(batch, [*names, SHARE] if has_generator else names, first)
        _refuse(find_problem(columns, offsets, first_event=first))
        known = _generator(batch, columns[SHARE], first) if has_generator else None
        labels = no_labels(int(offsets[-1]))
        x, ygen, ycand = (
            np.stack([columns[name] for name in TABLES[group]], axis=1)
            if group in self.groups
            else labels
            for group in GROUPS
        )
        has_labels = ("ygen" in self.groups, "ycand" in self.groups)
        return Events(x, ygen, ycand, offsets, *has_labels, known)

    def _compare(self, found: dict[str, str]) -> None:
        for name in found.keys() & self.checksums.keys():
            if found[name] != self.checksums[name]:
                raise ValueError(
                    f"{self.path}: the values of {name} are not those that were written "
                    "(another checksum); take a copy that nothing has changed"
                )


def _check_columns(schema: pa.Schema, names: Sequence[str], path: Path) -> None:
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise ValueError(f"{path}: missing columns {missing}")
    for name in names:
        found = schema.field(name).type
        number = found if name in PER_EVENT else getattr(found, "value_type", pa.null())
        if not (pa.types.is_integer(number) or pa.types.is_floating(number)):
            kind = "numbers" if name in PER_EVENT else "lists of numbers"
            raise ValueError(f"{path}: column {name} is {found}, need {kind}")


def _generator(batch: pa.RecordBatch, share: NDArray[Any], first: int) -> Generator:
    offsets, particles = _flat(batch, PARTICLES, first)
    _refuse(find_problem(particles, offsets, first_event=first, row="particle"))
    per_event = {name: _numbers(batch, name, number_type(name), first) for name in PER_EVENT}
    values = {name: array.to_numpy(zero_copy_only=False) for name, array in per_event.items()}
    _refuse(find_problem(values, np.arange(len(batch) + 1), first_event=first, row=""))
    columns = {name.removeprefix("gen_"): array for name, array in (particles | values).items()}
    return Generator(**columns, offsets=offsets, pileup_share=share)


def _refuse(problem: str) -> None:
    if problem:
        raise ValueError(problem)


def _flat(
    batch: pa.RecordBatch, names: Sequence[str], first: int
) -> tuple[Offsets, dict[str, NDArray[Any]]]:
    """Return the common offsets of list columns, and the values of each."""
    sizes: NDArray[Any] = np.zeros(0)
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        lists = _numbers(batch, name, pa.large_list(number_type(name)), first)
        its_sizes = lists.value_lengths().to_numpy()
        if columns and not np.array_equal(sizes, its_sizes):
            raise ValueError(
                f"event {first}: column {name} has {its_sizes.sum()} values, "
                f"{names[0]} has {sizes.sum()}"
            )
        sizes = its_sizes
        columns[name] = lists.flatten().to_numpy(zero_copy_only=False)
    return offsets_of(sizes), columns


def _numbers(batch: pa.RecordBatch, name: str, kind: pa.DataType, first: int) -> pa.Array:
    """Return a column, as any program writes it, as one of ours.

    A value that float32 can't hold becomes infinite, which `find_problem` refuses.
    """
    try:
        column = batch.column(name).cast(kind)
    except pa.ArrowException as error:
        raise ValueError(f"event {first}: column {name} is not of {kind}") from error
    is_list = pa.types.is_large_list(kind)
    if column.null_count or (is_list and column.flatten().null_count):
        raise ValueError(f"event {first}: column {name} has a missing value")
    return column


def check_is_file(path: Path) -> None:
    """Raise an OSError unless `path` is a file with a content: opening a pipe would wait for ever.

    Raises:
        OSError: it is something else, or missing.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"not a file, but a {'folder' if path.is_dir() else 'pipe or device'}")


def mapping_in(schema: pa.Schema, key: str) -> dict[str, Any]:
    """Return the JSON mapping that the metadata of a file hold under `key`; empty if none.

    Raises:
        ValueError: it is something else.
    """
    content = json.loads((schema.metadata or {}).get(key.encode(), b"{}"))
    if not isinstance(content, dict):
        raise ValueError(f"its {key} is not a mapping")
    return content


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what reading a Parquet file raises into a ValueError of one line with its name."""
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        line = reason or next(iter(str(error).splitlines()), repr(error))
        raise ValueError(f"{path}: not a readable Parquet file ({line})") from error
