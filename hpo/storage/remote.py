"""Journals whose records a server holds: no lock and no file system between workers.

A worker asks for the records that are new since its last look, which is one request however many
there are, and appends any number of them by one request. As with a file, a process that has read a
record goes on only with a journal that has it: a server that comes back without its data must not
begin the study a second time.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from optuna.storages.journal import BaseJournalBackend

from commons.optuna_internals import JournalOperation
from hpo.storage.identity import StorageLostError
from hpo.storage.records import Record, dump, parse

CHUNK = 1000  # records per request, at most
TIMEOUT_S = 30.0  # of a request
# A record that cannot be replayed keeps its number: Optuna skips this operation.
_NOTHING: Record = {"op_code": int(JournalOperation.DISCARD_TRIALS), "worker_id": ""}


class Known(NamedTuple):
    """The last record that a process has read.

    Attributes:
        number: counted from 0; -1: none.
        line: its bytes.
    """

    number: int = -1
    line: bytes = b""


class OtherJournalError(Exception):
    """The server does not have the last record that was read before."""


class RemoteJournal(BaseJournalBackend):
    """A journal on a server, for `optuna.storages.JournalStorage`.

    Args:
        name: of the server and the journal, for messages; without a password.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock, self._known = threading.Lock(), Known()

    @abstractmethod
    def _read(self, known: Known, begin: int) -> list[bytes]:
        """Return up to `CHUNK` records from number `begin` on; raises OtherJournalError."""

    @abstractmethod
    def _append(self, known: Known, lines: list[bytes]) -> None:
        """Append records in one piece; raises OtherJournalError."""

    def read_logs(self, log_number_from: int) -> Iterator[Record]:
        """Yield the records from number `log_number_from` on, counted from 0.

        Raises:
            StorageLostError: the server does not have the last record that was read before.
        """
        number, full = log_number_from, True
        while full:
            try:
                lines = self._read(self._known, number)
            except OtherJournalError as error:
                raise self._lost() from error
            full = len(lines) == CHUNK
            for line in lines:
                with self._lock:
                    if number > self._known.number:
                        self._known = Known(number, line)
                number += 1
                records, pieces = parse(line)
                yield records[0] if len(records) == 1 and not pieces else _NOTHING

    def append_logs(self, logs: list[Record]) -> None:
        """Append records in one piece.

        Raises:
            StorageLostError: the server does not have the last record that was read before.
        """
        if not logs:
            return
        try:
            self._append(self._known, [dump(record).rstrip(b"\n") for record in logs])
        except OtherJournalError as error:
            raise self._lost() from error

    def _lost(self) -> StorageLostError:
        return StorageLostError(
            f"{self._name}: this is not the journal any more that this process has used: record "
            f"{self._known.number} is gone or another one, perhaps because the server was "
            "restarted without its data. Nothing was written. End the other processes of the "
            "study, restore the data and repeat the command; without them, it goes on from what "
            "the server has"
        )
