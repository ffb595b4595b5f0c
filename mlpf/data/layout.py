"""Columns of the Parquet files of events: names, types and which belong together.

The tables `x`, `ygen` and `ycand` of `mlpf.Events` are the columns `x_type`, ..., `ygen_pid`, ...;
the generator information is the columns `gen_*`. A file has all columns of a table or none, and
always those of `x`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from mlpf.schema import EVENT_COLUMNS, PARTICLE_COLUMNS, X_COLUMNS, Y_COLUMNS

VERSIONS: Final = ("1", "2")  # of the schema, that can be read; the last is written
LABELS: Final = {"ygen": Y_COLUMNS, "ycand": Y_COLUMNS}
GROUPS: Final = {"x": X_COLUMNS, **LABELS}

SHARE: Final = "gen_pileup_share"
PARTICLES: Final = tuple(f"gen_{name}" for name in PARTICLE_COLUMNS)
PER_EVENT: Final = tuple(f"gen_{name}" for name in EVENT_COLUMNS)
TABLES: Final[dict[str, tuple[str, ...]]] = {
    **{group: tuple(f"{group}_{name}" for name in names) for group, names in GROUPS.items()},
    "gen": (SHARE, *PARTICLES, *PER_EVENT),
}
_INTEGERS: Final = {
    "gen_pid": pa.int32(),
    "gen_charge": pa.int8(),
    "gen_vertex": pa.int32(),
    "gen_n_pileup": pa.int32(),
}
_PORTION: Final = 2**16  # elements: 7 MB in memory


def number_type(column: str) -> pa.DataType:
    """Return the type of the numbers in a column.

    >>> str(number_type("x_pt")), str(number_type("gen_pid"))
    ('float', 'int32')
    """
    return _INTEGERS.get(column, pa.float32())


def events_per_portion(n_events: int, n_elements: int) -> int:
    """Return how many events of a file to read or write at once, at least 1.

    >>> events_per_portion(1000, 5_000_000), events_per_portion(0, 0)
    (13, 1)
    """
    return max(1, _PORTION * n_events // max(n_elements, n_events, 1))
