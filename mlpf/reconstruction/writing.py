"""Files of particles: Parquet or ROOT, one entry per event, written in portions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.reconstruction.particles import FLOAT_COLUMNS, INT_COLUMNS, ParticleRows

FORMATS: Final = ("parquet", "root")
TREE: Final = "events"  # of a ROOT file
PROVENANCE: Final = "provenance"
_PER_EVENT: Final = ("file", "event")


class Writer(Protocol):
    """An open file."""

    def write(self, event: Mapping[str, NDArray[np.int64]], particles: ParticleRows) -> None:
        """Append events: `file` and `event`, each of shape (B,), and their particles."""


@contextmanager
def particle_file(path: Path, kind: str, provenance: Mapping[str, Any]) -> Iterator[Writer]:
    """Open a new file, which appears under its name only when the block ends without an error.

    Args:
        path: the file.
        kind: one of `FORMATS`.
        provenance: where the particles come from; JSON.

    Raises:
        OSError: the file cannot be written.
        ModuleNotFoundError: ROOT files need the extra `[root]`.
    """
    opened = _root if kind == "root" else _parquet
    with replacing(path) as partial, opened(partial, json.dumps(dict(provenance))) as writer:
        yield writer


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, event: Mapping[str, NDArray[np.int64]], particles: ParticleRows) -> None:
        offsets = pa.array(particles.offsets, pa.int32())
        lists = {
            name: pa.ListArray.from_arrays(offsets, pa.array(values))
            for name, values in particles.columns.items()
        }
        numbers = {name: pa.array(event[name], pa.int64()) for name in _PER_EVENT}
        schema = self._writer.schema
        self._writer.write_batch(
            pa.record_batch(numbers | lists).select(schema.names).cast(schema)
        )


@contextmanager
def _parquet(path: Path, provenance: str) -> Iterator[Writer]:
    columns = [(name, pa.int64()) for name in _PER_EVENT]
    columns += [(name, pa.list_(pa.int32())) for name in INT_COLUMNS]
    columns += [(name, pa.list_(pa.float32())) for name in FLOAT_COLUMNS]
    schema = pa.schema(columns, metadata={PROVENANCE: provenance})
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        yield _Parquet(writer)


class _Root:
    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def write(self, event: Mapping[str, NDArray[np.int64]], particles: ParticleRows) -> None:
        import awkward as ak

        sizes = np.diff(particles.offsets)
        lists = {name: ak.unflatten(values, sizes) for name, values in particles.columns.items()}
        numbers = {name: np.asarray(event[name], np.int64) for name in _PER_EVENT}
        self._tree.extend(numbers | {"particle": ak.zip(lists)})


@contextmanager
def _root(path: Path, provenance: str) -> Iterator[Writer]:
    import uproot

    kinds = dict.fromkeys(INT_COLUMNS, "int32") | dict.fromkeys(FLOAT_COLUMNS, "float32")
    record = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
    branches = dict.fromkeys(_PER_EVENT, "int64") | {"particle": f"var * {{{record}}}"}
    with uproot.recreate(path) as file:
        file[PROVENANCE] = provenance
        yield _Root(file.mktree(TREE, branches))
