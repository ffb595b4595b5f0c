"""Events in memory (flat arrays plus offsets) and on disk (Parquet, one row per event)."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.data.checks import find_problem
from mlpf.schema import N_X, N_Y, X_COLUMNS, Y_COLUMNS

SCHEMA_VERSION = "1"
_LISTS = pa.large_list(pa.float32())
_GROUPS = {"x": X_COLUMNS, "ygen": Y_COLUMNS, "ycand": Y_COLUMNS}


@dataclass(frozen=True)
class Events:
    """A set of events as flat arrays.

    Args:
        x: shape (M, 12) float32, the columns `schema.X_COLUMNS`, all events one after another.
        ygen: shape (M, 7) float32, the columns `schema.Y_COLUMNS`, the truth.
        ycand: shape (M, 7) float32, the rule-based particle-flow candidates.
        offsets: shape (B + 1,) int64; event b is rows offsets[b] to offsets[b + 1].

    Raises:
        ValueError: the shapes do not fit together.

    >>> events = Events(np.zeros((5, 12)), np.zeros((5, 7)), np.zeros((5, 7)), np.array([0, 2, 5]))
    >>> len(events), events.sizes.tolist()
    (2, [2, 3])
    """

    x: NDArray[np.float32]
    ygen: NDArray[np.float32]
    ycand: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        n_rows = int(self.offsets[-1]) if len(self.offsets) else -1
        for name, width in (("x", N_X), ("ygen", N_Y), ("ycand", N_Y)):
            shape = getattr(self, name).shape
            if shape != (n_rows, width):
                raise ValueError(f"{name} has shape {shape}, by the offsets ({n_rows}, {width})")
        if self.offsets[0] != 0 or np.any(np.diff(self.offsets) < 0):
            raise ValueError("offsets must start at 0 and never decrease")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of elements of each event, shape (B,)."""
        return np.diff(self.offsets)

    def fingerprint(self) -> str:
        """Return a text that differs for any other events; of the values, not of their files."""
        digest = hashlib.sha256()
        for array in (self.offsets, self.x, self.ygen, self.ycand):
            digest.update(np.ascontiguousarray(array).data.cast("B"))
        return digest.hexdigest()[:16]

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Events:
        """Return the events `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        sizes = self.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], sizes)
        return Events(self.x[rows], self.ygen[rows], self.ycand[rows], offsets)

    def select_elements(self, keep: NDArray[np.bool_]) -> Events:
        """Return all events with only the elements where `keep`, shape (M,), is true."""
        kept_before = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
        return Events(self.x[keep], self.ygen[keep], self.ycand[keep], kept_before[self.offsets])


def concatenate(parts: Sequence[Events]) -> Events:
    """Return the events of all `parts`, at least one, as one set."""
    starts = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
    return Events(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.ygen for part in parts]),
        np.concatenate([part.ycand for part in parts]),
        np.concatenate([[0], *offsets]).astype(np.int64),
    )


def from_arrays(
    x: Sequence[NDArray[Any]], ygen: Sequence[NDArray[Any]], ycand: Sequence[NDArray[Any]]
) -> Events:
    """Return one `Events` from one array per event; shapes (n, 12), (n, 7), (n, 7)."""
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in x])]).astype(np.int64)
    return Events(_flatten(x, N_X), _flatten(ygen, N_Y), _flatten(ycand, N_Y), offsets)


def _flatten(arrays: Sequence[NDArray[Any]], width: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((0, width)), *arrays]).astype(np.float32)


def write_events(
    events: Events, path: str | Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write `events` to a Parquet file, one row per event, a list column per quantity.

    The file appears under its name only when it is complete. The schema version is stored in its
    metadata under `schema_version`, the provenance as JSON under `provenance`.

    Args:
        events: momenta and energies in GeV, angles in radians.
        path: the file; its folder is made if needed.
        provenance: where the events come from, any values that JSON can hold.

    Raises:
        OSError: the file cannot be written.

    >>> import tempfile
    >>> tower = np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0])
    >>> x, nothing = np.tile(tower, (5, 1)), np.zeros((5, 7))
    >>> events = Events(x, nothing, nothing, np.array([0, 2, 5]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_events(events, f"{folder}/mine.parquet", {"made_by": "me"})
    ...     read_events(f"{folder}/mine.parquet").sizes.tolist()
    [2, 3]
    """
    path = Path(path)
    columns = {
        f"{group}_{name}": pa.LargeListArray.from_arrays(
            events.offsets, getattr(events, group)[:, i].astype(np.float32)
        )
        for group, names in _GROUPS.items()
        for i, name in enumerate(names)
    }
    metadata = {"schema_version": SCHEMA_VERSION, "provenance": json.dumps(dict(provenance or {}))}
    table = pa.table(columns).replace_schema_metadata(metadata)
    with replacing(path) as partial:
        pq.write_table(
            table,
            partial,
            compression="zstd",
            row_group_size=1000,
            use_dictionary=False,  # physics values rarely repeat: a third smaller and faster
            use_byte_stream_split=True,
            write_page_checksum=True,  # a flipped bit would be read as another number
        )


def read_events(*paths: str | Path) -> Events:
    """Return the events of one or more Parquet files, in the order of the files.

    Args:
        paths: files that `write_events`, `mlpf.generate` or `mlpf.convert` wrote; at least one.

    Raises:
        ValueError: a file is missing, damaged or not Parquet, has another schema version, lacks a
            column, its columns disagree on the number of elements of an event, or a value is
            impossible (`mlpf.data.checks`). The message names the file, and the event (from 0).

    >>> import tempfile
    >>> tower = np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0])
    >>> nothing = np.zeros((3, 7))
    >>> event = Events(np.tile(tower, (3, 1)), nothing, nothing, np.array([0, 3]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_events(event, f"{folder}/a.parquet")
    ...     write_events(event, f"{folder}/b.parquet")
    ...     len(read_events(f"{folder}/a.parquet", f"{folder}/b.parquet"))
    2
    """
    parts = [_read_file(Path(path)) for path in paths]
    return parts[0] if len(parts) == 1 else concatenate(parts)


def _read_file(path: Path) -> Events:
    with _naming(path):
        # Also refuses a folder, of which Arrow would read all files, and a pipe.
        check_is_file(path)
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    version = (table.schema.metadata or {}).get(b"schema_version", b"none").decode()
    if version != SCHEMA_VERSION:
        raise ValueError(f"{path}: event schema version {version}, need {SCHEMA_VERSION}")
    names = [f"{group}_{name}" for group, columns in _GROUPS.items() for name in columns]
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(f"{path}: missing columns {missing}")
    offsets, values = _flat_columns(table.select(names), path)
    problem = find_problem(dict(zip(names, values, strict=True)), offsets)
    if problem:
        raise ValueError(f"{path}: {problem}")
    first = np.cumsum([0, *map(len, _GROUPS.values())])
    x, ygen, ycand = (np.stack(values[a:b], axis=1) for a, b in pairwise(first))
    return Events(x, ygen, ycand, offsets)


def _flat_columns(
    table: pa.Table, path: Path
) -> tuple[NDArray[np.int64], list[NDArray[np.float32]]]:
    """Return the common offsets of all columns, and the values of each."""
    sizes: NDArray[Any] = np.zeros(0)
    values = []
    for i, name in enumerate(table.column_names):
        column = _lists(table[name])
        if column is None:
            raise ValueError(
                f"{path}: column {name} is {table[name].type}, need lists of float32, none missing"
            )
        its_sizes = column.value_lengths().to_numpy()
        if i > 0 and not np.array_equal(sizes, its_sizes):
            raise ValueError(f"{path}: column {name} has other numbers of elements per event")
        sizes = its_sizes
        values.append(column.flatten().to_numpy(zero_copy_only=False))
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), values


def _lists(column: pa.ChunkedArray) -> pa.LargeListArray | None:
    """Return lists of numbers, as any program writes them, as ours; None if something is missing.

    A value that float32 can't hold becomes infinite, which `find_problem` refuses.
    """
    value_type = getattr(column.type, "value_type", None)
    if value_type is None or not pa.types.is_primitive(value_type):
        return None
    try:
        lists = column.cast(_LISTS).combine_chunks()
    except pa.ArrowException:
        return None
    return None if lists.null_count or lists.flatten().null_count else lists


def check_is_file(path: Path) -> None:
    """Raise an OSError unless `path` is a file with a content: opening a pipe would wait for ever.

    Raises:
        OSError: it is something else, or missing.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"not a file, but a {'folder' if path.is_dir() else 'pipe or device'}")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what reading a Parquet file raises into a ValueError of one line with its name."""
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        line = reason or next(iter(str(error).splitlines()), repr(error))
        raise ValueError(f"{path}: not a readable Parquet file ({line})") from error


def read_provenance(path: Path) -> dict[str, Any]:
    """Return what `write_events` recorded about the origin of a file.

    Raises:
        ValueError: the file is no Parquet.
    """
    with _naming(path):
        check_is_file(path)
        provenance = json.loads((pq.read_schema(path).metadata or {}).get(b"provenance", b"{}"))
        if not isinstance(provenance, dict):
            raise ValueError("its provenance is not a mapping")
    return provenance
