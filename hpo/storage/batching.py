"""Writing several records to a study at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from optuna.storages import BaseStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import all_trials, append
from commons.optuna_replay import QuickJournal


def batched(storage: BaseStorage) -> AbstractContextManager[None]:
    """Return a context at whose end a storage that can do so writes all records at once.

    It is for what this thread writes and other processes read later, not for claiming a trial. For
    the same reason what others write is read only once, at the first look.
    """
    batch: Callable[[], AbstractContextManager[None]] | None = getattr(storage, "batch", None)
    return nullcontext() if batch is None else batch()


class BatchingJournal(QuickJournal):
    """Optuna's journal storage with `batch`.

    A write takes the lock of the file and waits for the disk, and a hundred workers mostly wait
    for each other. The parameters and attributes of a trial are known together, so they need one
    write instead of eight.
    """

    def __init__(self, log_storage: BaseJournalBackend) -> None:
        self._collector = _Collector(log_storage)
        super().__init__(self._collector)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study in these states; all, not copied, at little cost."""
        if deepcopy or states is not None:
            return super().get_all_trials(study_id, deepcopy, states)
        return all_trials(self, study_id)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collect the records of this thread, and write them at the end, also after an error."""
        records: list[dict[str, Any]] = []
        try:
            with self.collected(records):
                yield
        finally:
            self.write(records)

    @contextmanager
    def collected(self, records: list[dict[str, Any]]) -> Iterator[None]:
        """Append the records of this thread to `records` instead of writing them."""
        batch = self._collector.batch
        before, batch.records = batch.records, records
        try:
            yield
        finally:
            batch.records = before
            batch.was_read = batch.was_read and before is not None

    def write(self, records: list[dict[str, Any]]) -> None:
        """Write collected records; within another batch they are written at its end."""
        append(self, records)


class _Collector(BaseJournalBackend):
    """A journal backend that keeps the records of a thread that is in a batch."""

    def __init__(self, backend: BaseJournalBackend) -> None:
        self._backend, self.batch = backend, _Batch()

    def __reduce__(self) -> tuple[type[_Collector], tuple[BaseJournalBackend]]:
        return _Collector, (self._backend,)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        if not self.batch.was_read:
            yield from self._backend.read_logs(log_number_from)
            self.batch.was_read = self.batch.records is not None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self.batch.records is None:
            self._backend.append_logs(logs)
        else:
            self.batch.records += logs


class _Batch(threading.local):
    records: list[dict[str, Any]] | None = None
    was_read = False
