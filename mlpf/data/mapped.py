"""One uncompressed copy of the events of a split, which all processes of a node map into memory.

Parquet files are small, but a process that reads them needs time to unpack and check every value,
and memory for all of them. The copy is an Arrow file with the selected events, one row per event.
Opening it reads the offsets of the events alone, a batch reads its own rows, and the memory of the
rows belongs to the system's page cache: once per node, however many processes train on them.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.schema import N_X, N_Y

ROW_BYTES: Final = 4 * (N_X + 2 * N_Y)
_WIDTHS: Final = {"x": N_X, "ygen": N_Y, "ycand": N_Y}
_ELEMENT: Final = pa.struct([(k, pa.list_(pa.float32(), n)) for k, n in _WIDTHS.items()])
_DIGEST_BYTES: Final = 16
_SCHEMA: Final = pa.schema(
    [("elements", pa.large_list(_ELEMENT)), ("digest", pa.binary(_DIGEST_BYTES))]
)
_MAX_TOUCHED: Final = 2**26  # bytes

Rows = NDArray[np.float32]


class MappedEvents:
    """Selected events in a file, read where they are asked for.

    The file must not be changed in place: its pages are the memory of all who map it, and a
    process that touches a page behind a new end is killed (SIGBUS). Removing it does no harm.

    Args:
        path: file that `MappedEvents.write` wrote.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is damaged, or something else.

    >>> import tempfile
    >>> events = Events(np.ones((5, 12)), np.ones((5, 7)), np.ones((5, 7)), np.array([0, 2, 5]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     MappedEvents.write(Path(f"{folder}/a.arrow"), [events])
    ...     mapped = MappedEvents(Path(f"{folder}/a.arrow"))
    >>> mapped.sizes.tolist(), mapped.take([1]).x.shape
    ([2, 3], (3, 12))
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        content = pa.py_buffer(self._map)
        reader = pa.ipc.open_file(content)
        if not reader.schema.equals(_SCHEMA):
            raise ValueError(f"{path}: other columns than those of mapped events")
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._parts = [_Part.of(batch, content.address) for batch in batches]
        sizes = [part.sizes for part in self._parts]
        n_events = list(map(len, sizes))
        self.sizes = np.concatenate([np.zeros(0, np.int64), *sizes])  # of each event, in elements
        self._part = np.repeat(np.arange(len(sizes)), n_events)
        before = [np.cumsum(part_sizes) - part_sizes for part_sizes in sizes]
        self._first_row = np.concatenate([np.zeros(0, np.int64), *before])
        self._n_touched = 0

    def __reduce__(self) -> tuple[type[MappedEvents], tuple[Path]]:
        return MappedEvents, (self.path,)

    def __len__(self) -> int:
        return len(self.sizes)

    @staticmethod
    def write(path: Path, parts: Iterable[Events]) -> None:
        """Write the events of all `parts` to a file, one part after another.

        Raises:
            OSError: the file cannot be written.
        """
        with path.open("wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            for part in parts:
                writer.write_batch(_record_batch(part))

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Events:
        """Return the events `indices`, from 0, in that order, as arrays of their own."""
        chosen = np.asarray(indices, dtype=np.int64)
        rows = self._rows(chosen)
        x, ygen, ycand = (
            np.concatenate([_nothing(n), *(self._parts[p].tables[i][a:b] for p, a, b in rows)])
            for i, n in enumerate(_WIDTHS.values())
        )
        offsets = np.concatenate([[0], np.cumsum(self.sizes[chosen])]).astype(np.int64)
        self._count(int(offsets[-1]))
        return Events(x, ygen, ycand, offsets)

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """Ask the system to read the events `indices` into its page cache, without waiting."""
        for number, first, last in self._rows(indices):
            part = self._parts[number]
            for table, place in zip(part.tables, part.places, strict=True):
                start, stop = (place + row * table.strides[0] for row in (first, last))
                page = start // mmap.PAGESIZE * mmap.PAGESIZE
                if stop > start:
                    self._map.madvise(mmap.MADV_WILLNEED, page, stop - page)

    def fingerprint(self) -> str:
        """Return a text that differs for other elements or labels, whatever files hold them."""
        whole = hashlib.sha256()
        for part in self._parts:
            whole.update(b"".join(part.digests.to_pylist()))
        return whole.hexdigest()[:16]

    def _rows(self, chosen: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Return number of the part, first row and the row behind the last of each event."""
        first = self._first_row[chosen]
        columns = (self._part[chosen], first, first + self.sizes[chosen])
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _count(self, n_rows: int) -> None:
        """Let go of the pages touched so far, once they are many.

        They stay in the page cache, but would count as memory of this process for ever.
        """
        self._n_touched += n_rows * ROW_BYTES
        if self._n_touched > _MAX_TOUCHED:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._n_touched = 0


@dataclass(frozen=True)
class _Part:
    """The events of one record batch, as they lie in the file."""

    tables: list[Rows]  # shapes (M, 12), (M, 7), (M, 7)
    places: list[int]  # of the first byte of each table in the file
    sizes: NDArray[np.int64]  # shape (B,)
    digests: pa.FixedSizeBinaryArray

    @classmethod
    def of(cls, batch: pa.RecordBatch, address: int) -> _Part:
        """Return the events of `batch` in a file that is mapped to `address`.

        Raises:
            ValueError: numbers in the file would lead out of it.
        """
        batch.validate()  # whether the buffers are as long as the numbers of rows need
        lists = batch.column("elements")
        offsets = lists.offsets.to_numpy()
        tables = [
            lists.values.field(name).values.to_numpy().reshape(-1, width)
            for name, width in _WIDTHS.items()
        ]
        sizes = np.diff(offsets)
        if offsets[0] != 0 or np.any(sizes < 0) or offsets[-1] != len(tables[0]):
            raise ValueError("offsets of events that do not fit their elements")
        places = [table.ctypes.data - address for table in tables]
        return cls(tables, places, sizes, batch.column("digest"))


def _record_batch(events: Events) -> pa.RecordBatch:
    fields = [
        pa.FixedSizeListArray.from_arrays(pa.array(_flat(getattr(events, name))), width)
        for name, width in _WIDTHS.items()
    ]
    elements = pa.StructArray.from_arrays(fields, fields=list(_ELEMENT))
    lists = pa.LargeListArray.from_arrays(pa.array(events.offsets), elements)
    digests = pa.array(_digests(events), pa.binary(_DIGEST_BYTES))
    return pa.RecordBatch.from_arrays([lists, digests], schema=_SCHEMA)


def _flat(table: NDArray[Any]) -> Rows:
    return np.ascontiguousarray(table, dtype=np.float32).reshape(-1)


def _digests(events: Events) -> list[bytes]:
    """Return the first bytes of the SHA-256 of each event's rows, those of `x` first."""
    tables = [np.ascontiguousarray(getattr(events, name), np.float32) for name in _WIDTHS]
    digests = []
    for first, last in pairwise(events.offsets.tolist()):
        digest = hashlib.sha256()
        for table in tables:
            digest.update(table[first:last].data.cast("B") if last > first else b"")
        digests.append(digest.digest()[:_DIGEST_BYTES])
    return digests


def _nothing(width: int) -> Rows:
    return np.zeros((0, width), dtype=np.float32)
