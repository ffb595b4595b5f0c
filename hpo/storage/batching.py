"""Writing several things to a study at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend


def batched(storage: BaseStorage) -> AbstractContextManager[None]:
    """Return a context in which a storage that can do so writes all at once, at its end.

    Only for writes of this thread that nobody reads before: not for claiming a trial. For the
    same reason the trials of a study are read but once.
    """
    batch: Callable[[], AbstractContextManager[None]] | None = getattr(storage, "batch", None)
    return nullcontext() if batch is None else batch()


class BatchingJournal(JournalStorage):
    """Optuna's journal storage with `batch`.

    A write takes the lock of the file and waits for the disk, and with a hundred workers mostly
    for each other. The parameters and attributes of a trial are known together, so they
    take one turn instead of eight.
    """

    def __init__(self, log_storage: BaseJournalBackend) -> None:
        self._batch = _Batch()
        super().__init__(log_storage)

    def __getstate__(self) -> dict[Any, Any]:
        return {key: v for key, v in super().__getstate__().items() if key != "_batch"}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._batch = _Batch()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collect what this thread writes, and write it at the end, even after an exception."""
        with self.collected() as records:
            try:
                yield
            finally:
                self.write(records)

    @contextmanager
    def collected(self) -> Iterator[list[dict[str, Any]]]:
        """Collect what this thread writes; nothing is written."""
        before, self._batch.records = self._batch.records, []
        try:
            yield self._batch.records
        finally:
            self._batch.records = before

    def write(self, records: list[dict[str, Any]]) -> None:
        """Write what was collected."""
        with self._thread_lock:
            self._backend.append_logs(records)
            self._sync_with_backend()

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        if self._batch.records is None:
            super()._write_log(op_code, extra_fields)
            return
        worker_id = self._replay_result.worker_id
        record = {"op_code": op_code, "worker_id": worker_id, **extra_fields}
        self._batch.records.append(record)


class _Batch(threading.local):
    records: list[dict[str, Any]] | None = None
