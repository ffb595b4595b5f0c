"""Tables of recorded trainings: a CSV file with a header and one training per line.

Columns of one name and the numbers 0, 1, 2, ... are a series, as `loss_0`, `loss_1`, ...
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Far above any record of trainings. What a file holds decides how much memory is taken.
MAX_BYTES: Final = 2**28
MAX_CELLS: Final = 5_000_000
MAX_COLUMNS: Final = 10_000


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file.

    Attributes:
        path: the file.
        header: names of the columns, each different.
        rows: cells of each row, as many as there are columns.
        lines: number of each row's line in the file, from 1.
        sha256: of the file.
    """

    path: Path
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    sha256: str

    def series(self, prefix: str) -> tuple[str, ...]:
        """Return the columns prefix0, prefix1, ... in this order.

        Raises:
            ValueError: there are fewer than two of them, or a number between them is missing.
        """
        pattern = re.compile(re.escape(prefix) + "([0-9]{1,9})")
        found = {int(match[1]) for name in self.header if (match := pattern.fullmatch(name))}
        if len(found) < 2:
            raise ValueError(f"{self.path}: no columns {prefix}0, {prefix}1, ...; set prefix=...")
        names = tuple(f"{prefix}{number}" for number in range(len(found)))
        self._require(names)
        return names

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return columns as numbers, shape (rows, names); an empty cell is NaN.

        Raises:
            ValueError: there is no such column, or a cell is not a number.
        """
        self._require(names)
        place_of = {name: place for place, name in enumerate(self.header)}
        places = [place_of[name] for name in names]
        numbers = np.empty((len(self.rows), len(places)))
        for i, row in enumerate(self.rows):
            for j, place in enumerate(places):
                try:
                    numbers[i, j] = float(row[place].strip() or "nan")
                except ValueError:
                    where = f"{self.path}, line {self.lines[i]}, column {names[j]}"
                    raise ValueError(f"{where}: {row[place]!r} is not a number") from None
        return numbers

    def _require(self, names: Sequence[str]) -> None:
        known = set(self.header)
        if missing := [name for name in names if name not in known]:
            raise ValueError(f"{self.path}: no column {missing[0]}")


def _content(path: Path) -> bytes:
    """Return the content of a file whose size can be that of a table, before it is taken apart.

    Raises:
        ValueError: it is no file, or too large.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ValueError(f"{path}: not a file")
    if status.st_size > MAX_BYTES:
        raise ValueError(f"{path}: {status.st_size} bytes; a table may have {MAX_BYTES}")
    content = path.read_bytes()
    n_cells = sum(map(content.count, (b",", b"\n", b"\r")))
    if n_cells > MAX_CELLS:
        raise ValueError(f"{path}: about {n_cells} cells; a table may have {MAX_CELLS}")
    return content


def read_table(path: Path) -> Table:
    """Read a CSV file; lines without cells are passed over.

    Raises:
        ValueError: there is no such file, it is not a table, or a name or a number of cells is
            wrong. The message names the file and the line or the column.
    """
    try:
        content = _content(path)
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a CSV file"
        raise ValueError(f"{path}: {reason}") from error
    if len(rows) < 2:
        raise ValueError(f"{path}: no line of data below a header")
    header = tuple(name.strip() for name in rows.pop(0)[1])
    if len(header) > MAX_COLUMNS:
        raise ValueError(f"{path}: {len(header)} columns; a table may have {MAX_COLUMNS}")
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise ValueError(f"{path}: two columns are named {repeated[0]!r}")
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(f"{path}, line {line}: {len(row)} cells, expected {len(header)}")
    cells, lines = [row for _, row in rows], [line for line, _ in rows]
    return Table(path, header, cells, lines, hashlib.sha256(content).hexdigest())
