"""An SQLite file that is never begun a second time under running processes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from hpo.storage.identity import StorageLostError

BUSY_S = 100.0  # sqlite gives up after 5 s by default, too soon when workers queue for it


class SqliteFile:
    """The file of one storage, for an engine of SQLAlchemy.

    An open file that was deleted takes with it all that is written to it, and a connection that is
    made later would begin a new one. So the file is looked at before each use.

    Args:
        path: the file.
        exists: another process has created it; False: the first connection creates it.
    """

    def __init__(self, path: Path, *, exists: bool) -> None:
        self._path = path.absolute()
        self._may_create, self._inode = not exists, 0

    def options(self) -> dict[str, Any]:
        """Return the arguments of `sqlalchemy.create_engine`."""
        return {"creator": self._connect, "pool_events": [(self._check, "checkout")]}

    def _connect(self) -> sqlite3.Connection:
        if not self._may_create:
            self._path.stat()  # its error names the file
        mode = "rwc" if self._may_create else "rw"
        address = f"{self._path.as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=BUSY_S, check_same_thread=False)

    def _check(self, *_: object) -> None:
        inode = self._path.stat().st_ino
        self._inode, self._may_create = self._inode or inode, False
        if inode != self._inode:
            raise StorageLostError(
                f"{self._path}: another file is in the place of the one that this process has "
                "used. Nothing more is written to it. End the other processes of the study, move "
                "the right file back and repeat the command; without it, the command goes on from "
                "what this file has"
            )
