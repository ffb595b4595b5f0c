"""Events on disk: Parquet files, one row per event, a list column per quantity."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.data.checksums import Checksums
from mlpf.data.events import Events, no_labels
from mlpf.data.generator import join
from mlpf.data.layout import (
    GROUPS,
    PARTICLES,
    PER_EVENT,
    SHARE,
    TABLES,
    VERSIONS,
    events_per_portion,
    number_type,
)
from mlpf.data.portions import EventReader, check_is_file, mapping_in, naming
from mlpf.data.ragged import Offsets, offsets_of


def write_events(
    events: Events | Iterable[Events],
    path: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write `events` to a Parquet file, one row per event, a list column per quantity.

    The file appears under its name only when it is complete. Labels and generator are written if
    the events have them. The metadata hold the schema version under `schema_version`, checksums
    of the values under `checksums`, and the provenance as JSON under `provenance`.

    Args:
        events: momenta and energies in GeV, angles in radians; or portions of them, at least one,
            all with the same labels. Portions are written one after another, so memory is bounded.
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
    portions = iter([events] if isinstance(events, Events) else events)
    first = next(portions)
    checksums = Checksums()
    with replacing(Path(path)) as partial, _writer(partial, first) as writer:
        for portion in chain([first], portions):
            n_rows = events_per_portion(len(portion), len(portion.x))
            writer.write_table(pa.table(_columns(portion)), row_group_size=n_rows)
            checksums.add(portion)
        metadata = {
            "schema_version": VERSIONS[-1],
            "provenance": json.dumps(dict(provenance or {})),
            "checksums": json.dumps(checksums.texts()),
        }
        writer.add_key_value_metadata(metadata)


def _writer(path: Path, first: Events) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        pa.table(_columns(first)).schema,
        compression="zstd",
        use_dictionary=False,  # physics values rarely repeat: a third smaller and faster
        use_byte_stream_split=True,
        write_page_checksum=True,  # a flipped bit would be read as another number
        store_schema=False,  # a copy of it, from before the metadata, would take precedence
    )


def _columns(events: Events) -> dict[str, pa.Array]:
    known, offsets = events.generator, events.offsets
    is_there = {"x": True, "ygen": events.has_truth, "ycand": events.has_rules}
    columns = {
        name: _lists(offsets, getattr(events, group)[:, i], name)
        for group in GROUPS
        if is_there[group]
        for i, name in enumerate(TABLES[group])
    }
    if known is not None:
        columns[SHARE] = _lists(offsets, known.pileup_share, SHARE)
        for name in PARTICLES:
            columns[name] = _lists(known.offsets, getattr(known, name.removeprefix("gen_")), name)
        for name in PER_EVENT:
            columns[name] = _numbers(getattr(known, name.removeprefix("gen_")), name)
    return columns


def _lists(offsets: Offsets, values: NDArray[Any], name: str) -> pa.Array:
    return pa.LargeListArray.from_arrays(offsets, _numbers(values, name))


def _numbers(values: NDArray[Any], name: str) -> pa.Array:
    return pa.array(values.astype(number_type(name).to_pandas_dtype()))


def read_events(*paths: str | Path, generator: bool = False) -> Events:
    """Return the events of one or more Parquet files, in the order of the files.

    Labels that one of the files lacks are left out, see `Events.has_truth`.

    Args:
        paths: files that `write_events`, `mlpf.generate` or `mlpf.convert` wrote; at least one.
        generator: read also the generator information, if all files have it.

    Raises:
        ValueError: a file is missing, damaged or not Parquet, has another schema version, lacks a
            column, its columns disagree on the number of elements of an event, a value is
            impossible (`mlpf.data.checks`), or is not the one that was written. The message
            names the file, and the event (from 0).

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
    files = [EventReader.open(Path(path), generator=generator) for path in paths]
    n_rows = sum(file.max_elements for file in files)  # filled once, so nothing is in memory twice
    tables = {
        group: np.empty((n_rows, len(names)), np.float32)
        for group, names in GROUPS.items()
        if all(group in file.groups for file in files)
    }
    sizes, known, end = [np.zeros(0, np.int64)], [], 0
    for _, part in (portion for file in files for portion in file.portions(None)):
        start, end = end, end + len(part.x)
        for group, table in tables.items():
            table[start:end] = getattr(part, group)
        sizes.append(part.sizes)
        known.append(part.generator)
    parts = [part for part in known if part is not None]
    labels = {group: tables[group][:end] for group in ("ygen", "ycand") if group in tables}
    return Events(
        tables["x"][:end],
        labels.get("ygen", no_labels(end)),
        labels.get("ycand", no_labels(end)),
        offsets_of(np.concatenate(sizes)),
        has_truth="ygen" in labels,
        has_rules="ycand" in labels,
        generator=join(parts) if parts and len(parts) == len(known) else None,
    )


def iterate_events(
    path: str | Path, *, generator: bool = False, on_problem: Callable[[str], None] | None = None
) -> Iterator[tuple[NDArray[np.int64], Events]]:
    """Yield the events of a Parquet file in portions, with their numbers in the file, shape (B,).

    The memory is that of some 100 000 elements, or of the largest event.

    Args:
        path: the file.
        generator: read also the generator information, if the file has it.
        on_problem: called with one line that names the file and the event for each event that
            `read_events` would refuse, which is then left out; None to raise a ValueError.

    Raises:
        ValueError: as `read_events`; what concerns the whole file is raised in any case.

    >>> import tempfile
    >>> tower = np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0])
    >>> x, nothing = np.tile(tower, (3, 1)), np.zeros((3, 7))
    >>> x[2, 5] = -1  # an energy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_events(Events(x, nothing, nothing, np.arange(4)), f"{folder}/a.parquet")
    ...     bad = []
    ...     for numbers, events in iterate_events(f"{folder}/a.parquet", on_problem=bad.append):
    ...         numbers.tolist(), bad[0].partition(".parquet: ")[2]
    ([0, 1], 'event 2, element 0: x_energy is -1, need a number from 0 to 1e+06')
    """
    yield from EventReader.open(Path(path), generator=generator).portions(on_problem)


def read_provenance(path: Path) -> dict[str, Any]:
    """Return what `write_events` recorded about the origin of a file.

    Raises:
        ValueError: the file is no Parquet.
    """
    with naming(path):
        check_is_file(path)
        return mapping_in(pq.read_schema(path), "provenance")
