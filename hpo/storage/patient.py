"""Waiting for a storage that is unreachable."""

from __future__ import annotations

import abc
import logging
import random
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo import signals
from hpo.storage.batching import BatchingJournal
from hpo.storage.identity import StorageLostError
from hpo.storage.passwords import hide, stored_passwords

_log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 2.0
_AWAY = {
    *("sqlalchemy.OperationalError", "sqlalchemy.InterfaceError", "grpc.RpcError"),
    *("redis.ConnectionError", "redis.TimeoutError"),
    *("psycopg.OperationalError", "psycopg.InterfaceError"),
}
_REFUSED = {"redis.AuthenticationError", "redis.AuthorizationError"}  # connection errors of redis


class _Seen(threading.local):
    trials: dict[int, list[FrozenTrial]] | None = None  # by study, within a batch


class PatientStorage(BaseStorage):
    """A storage whose operations wait while it is unreachable, instead of failing.

    A file system that hangs or a database or proxy that restarts does not end hours of work. An
    operation is repeated while it fails for such a reason, for up to `patience_s` seconds; all
    that workers do can be repeated safely. Then StorageLostError is raised, also by each later
    operation, without another wait, until one succeeds. Other errors are raised at once. This
    holds for every public method of `BaseStorage`, also for those that later versions of Optuna
    add.

    Attributes:
        back_since: `time.monotonic()` when it was last reachable again; None: always reachable.
    """

    def __init__(self, storage: BaseStorage, patience_s: float) -> None:
        self._storage, self._patience_s = storage, patience_s
        self._seen = _Seen()
        self.back_since: float | None = None
        self._is_lost = False

    def __reduce__(self) -> tuple[type[PatientStorage], tuple[BaseStorage, float]]:
        return PatientStorage, (self._storage, self._patience_s)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """See `hpo.storage.batching.batched`."""
        before, self._seen.trials = self._seen.trials, {}
        try:
            if not isinstance(self._storage, BatchingJournal):
                yield
                return
            records: list[dict[str, Any]] = []
            try:
                with self._storage.collected(records):
                    yield
            finally:
                self._call(self._storage.write, records)
        finally:
            self._seen.trials = before

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study; in a batch, as they were at the first call."""
        seen = self._seen.trials
        if seen is None or deepcopy:
            trials: list[FrozenTrial] = self._call(
                self._storage.get_all_trials, study_id, deepcopy, states
            )
            return trials
        if study_id not in seen:  # a database sends every unfinished trial, each time
            seen[study_id] = self._call(self._storage.get_all_trials, study_id, deepcopy=False)
        return [t for t in seen[study_id] if states is None or t.state in states]

    @property
    def changed_trials(self) -> Callable[[int, int], tuple[int, list[FrozenTrial]]] | None:
        """See `hpo.view.Changes.of`; None: the storage does not know what has changed."""
        known: Callable[..., Any] | None = getattr(self._storage, "changed_trials", None)
        return None if known is None else partial(self._call, known)

    def _call(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = partial(operation, *args, **kwargs)
        try:
            result, was_away = wait_for(call, self._patience_s, once=self._is_lost)
        except StorageLostError:
            self._is_lost = True
            raise
        if was_away or self._is_lost:
            self.back_since, self._is_lost = time.monotonic(), False
        return result


def _patient(name: str) -> Callable[..., Any]:
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._call(getattr(self._storage, name), *args, **kwargs)

    method.__name__ = name
    return method


for _name, _member in vars(BaseStorage).items():
    if callable(_member) and not _name.startswith("_") and _name not in vars(PatientStorage):
        setattr(PatientStorage, _name, _patient(_name))
abc.update_abstractmethods(PatientStorage)  # type: ignore[type-abstract] # until here


def wait_for(
    operation: Callable[[], Any], patience_s: float, *, once: bool = False
) -> tuple[Any, bool]:
    """Return what an operation returns, and whether the storage was unreachable before.

    The operation is repeated while the storage is unreachable, for up to `patience_s` seconds, or
    not at all if the time was over before (`once`).

    Raises:
        StorageLostError: it is unreachable for longer.
    """
    deadline, pause = time.monotonic() + (0.0 if once else patience_s), 0.05
    failed = False
    while True:
        try:
            result = operation()
        except Exception as error:
            if not _is_unreachable(error):
                raise
            if time.monotonic() >= deadline:
                raise _lost(error, patience_s) from error
            if not failed:
                _log.warning("the storage is unreachable, waiting for it: %s", _line(error))
            failed = True
            signals.raise_pending()
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            continue
        if failed:
            _log.warning("the storage is reachable again")
        return result, failed


def _is_unreachable(error: BaseException) -> bool:
    if isinstance(error, InstantiationException):
        error = error.__cause__ or error
    if isinstance(error, OSError):
        return True
    if isinstance(error, StorageInternalError):
        error = error.__cause__ or error
    names = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return names.isdisjoint(_REFUSED) and not names.isdisjoint(_AWAY)


def _lost(error: BaseException, patience_s: float) -> StorageLostError:
    return StorageLostError(
        f"the storage was unreachable for {patience_s:.0f} s (patience_s): {_line(error)}. "
        "Nothing was written elsewhere. Make it reachable, or move its file back, and repeat the "
        "command"
    )


def _line(error: BaseException) -> str:
    text = next(iter(str(error).splitlines()), "") or type(error).__name__
    return hide(text[:200], stored_passwords())
