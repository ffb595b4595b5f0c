"""One uncompressed copy of the events of a split, which all processes of a node map into memory.

Parquet files are small, but a process that reads them needs time to unpack and check every value,
and memory for all of them. The copy is an Arrow file with the selected events, one row per event.
Opening it reads the offsets of the events alone, a batch reads its own rows, and the memory of the
rows belongs to the system's page cache: once per node, however many processes train on them.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlpf.data.checksums import Checksums
from mlpf.data.events import Events
from mlpf.data.ragged import offsets_of
from mlpf.schema import N_X, N_Y

ROW_BYTES: Final = 4 * (N_X + 2 * N_Y)
_WIDTHS: Final = {"x": N_X, "ygen": N_Y, "ycand": N_Y}
_ELEMENT: Final = pa.struct([(k, pa.list_(pa.float32(), n)) for k, n in _WIDTHS.items()])
# The last batch is empty; its metadata are what is known at the end.
_ABOUT: Final = b"about"
_KNOWN_AT_END: Final = ("fingerprint", "has_truth", "has_rules")
_SCHEMA: Final = pa.schema([("elements", pa.large_list(_ELEMENT))])
# Few, because newer kernels map up to 2 MB around a page that is touched.
_MAX_TOUCHED: Final = 2**20  # bytes

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
        if not reader.schema.equals(_SCHEMA) or not reader.num_record_batches:
            raise ValueError(f"{path}: other columns than those of mapped events")
        *numbers, last = range(reader.num_record_batches)
        about = reader.get_batch_with_custom_metadata(last).custom_metadata or {}
        self._fingerprint, *self._has_labels = _values(json.loads(about.get(_ABOUT, b"{}")))
        self._parts = [_Part.of(reader.get_batch(i), content.address) for i in numbers]
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
        checksums, has_truth, has_rules = Checksums(), True, True
        with path.open("wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            for part in parts:
                writer.write_batch(_record_batch(part))
                checksums.add(part)
                has_truth, has_rules = has_truth and part.has_truth, has_rules and part.has_rules
            fingerprint = hashlib.sha256(json.dumps(checksums.texts()).encode()).hexdigest()[:16]
            about = dict(zip(_KNOWN_AT_END, (fingerprint, has_truth, has_rules), strict=True))
            nothing = pa.RecordBatch.from_pylist([], _SCHEMA)
            writer.write_batch(nothing, {_ABOUT: json.dumps(about)})

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Events:
        """Return the events `indices`, from 0, in that order, as arrays of their own."""
        chosen = np.asarray(indices, dtype=np.int64)
        rows = self._rows(chosen)
        x, ygen, ycand = (
            np.concatenate([_nothing(n), *(self._parts[p].tables[i][a:b] for p, a, b in rows)])
            for i, n in enumerate(_WIDTHS.values())
        )
        offsets = offsets_of(self.sizes[chosen])
        self._count(int(offsets[-1]))
        return Events(x, ygen, ycand, offsets, *self._has_labels)

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
        return str(self._fingerprint)

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

    @classmethod
    def of(cls, batch: pa.RecordBatch, address: int) -> _Part:
        """Return the events of `batch` in a file that is mapped to `address`.

        Raises:
            ValueError: numbers in the file would lead out of it.
        """
        batch.validate()  # whether the buffers are as long as the numbers of rows need
        lists = batch.column("elements")
        offsets = _numbers(lists.offsets, np.int64)
        tables = [
            _numbers(lists.values.field(name).values, np.float32).reshape(-1, width)
            for name, width in _WIDTHS.items()
        ]
        sizes = np.diff(offsets)
        if offsets[0] != 0 or np.any(sizes < 0) or offsets[-1] != len(tables[0]):
            raise ValueError("offsets of events that do not fit their elements")
        places = [table.ctypes.data - address for table in tables]
        return cls(tables, places, sizes)


def _values(about: Any) -> list[Any]:
    if not isinstance(about, dict) or list(about) != list(_KNOWN_AT_END):
        raise ValueError("its end is missing")
    return list(about.values())


def _record_batch(events: Events) -> pa.RecordBatch:
    fields = [
        pa.FixedSizeListArray.from_arrays(pa.array(_flat(getattr(events, name))), width)
        for name, width in _WIDTHS.items()
    ]
    elements = pa.StructArray.from_arrays(fields, fields=list(_ELEMENT))
    lists = pa.LargeListArray.from_arrays(pa.array(events.offsets), elements)
    return pa.RecordBatch.from_arrays([lists], schema=_SCHEMA)


def _numbers(array: pa.Array, kind: type[np.generic]) -> NDArray[Any]:
    """Return an array without a copy; `to_numpy` would import pandas, which takes 0.3 s."""
    content = array.buffers()[1]
    return np.frombuffer(content, kind, len(array)) if len(array) else np.zeros(0, kind)


def _flat(table: NDArray[Any]) -> Rows:
    return np.ascontiguousarray(table, dtype=np.float32).reshape(-1)


def _nothing(width: int) -> Rows:
    return np.zeros((0, width), dtype=np.float32)
