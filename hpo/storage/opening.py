"""Where a study is kept: opening it, its passwords, and patience while it is out of reach."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import warnings
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import cached
from hpo import signals
from hpo.storage.batching import BatchingJournal
from hpo.storage.journal import JournalFile
from hpo.storage.passwords import hide, passwords

_log = logging.getLogger(__name__)
_PASSWORD = "HPO_STORAGE_PASSWORD"
_LONGEST_PAUSE_S = 2.0


def open_storage(
    spec: Any, sweep_dir: Path, patience_s: float = 0.0, *, exists: bool = False
) -> BaseStorage:
    """Return the storage that a setting names.

    Args:
        spec: None (`journal.log` in `sweep_dir`), the path of a journal file, a database URL,
            `grpc://host:port` (Optuna's proxy), or a `_target_` node.
        sweep_dir: the sweep folder.
        patience_s: once it is open, operations wait so long for it to come back into reach.
        exists: another process has made it: wait as long to open it, and make no new one where
            it should be, say in the empty folder on which its file system is not mounted.

    Raises:
        ValueError: it cannot be opened, or lives in one process only.
    """
    try:
        open_it = partial(_open, _with_passwords(spec), sweep_dir, exists)
        storage, was_away = _wait_for(open_it, patience_s) if exists else (open_it(), False)
    except Exception as error:  # whatever a database driver or a class of the user's raises
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"storage: {hide(line, passwords(_with_passwords(spec)))}") from error
    if isinstance(storage, InMemoryStorage):
        raise ValueError(
            "storage: InMemoryStorage can't be shared by workers; use a file or a URL"
        )
    storage = cached(storage)
    if patience_s <= 0:
        return storage
    patient = PatientStorage(storage, patience_s)
    if was_away:
        patient.back_since = time.monotonic()
    return patient


def _open(spec: Any, sweep_dir: Path, exists: bool) -> BaseStorage:
    if isinstance(spec, Mapping):
        storage: BaseStorage = instantiate(dict(spec))
        return storage
    if str(spec).startswith("grpc://"):
        return _open_proxy(str(spec))
    if spec is not None and "://" in str(spec):
        return RDBStorage(str(spec), engine_kwargs=_engine_options(str(spec)))
    path = (Path(spec) if spec is not None else sweep_dir / "journal.log").absolute()
    if exists:
        path.stat()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    return BatchingJournal(JournalFile(path))


def _open_proxy(url: str) -> BaseStorage:
    host, colon, port = url.removeprefix("grpc://").rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"expected grpc://host:port, got {url}")
    with warnings.catch_warnings():  # that the proxy is experimental, in every worker's output
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    proxy.wait_server_ready(timeout=30)
    return proxy


def _engine_options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        # sqlite gives up after 5 s by default, too soon when workers queue for it.
        return {"connect_args": {"timeout": 100}}
    # A worker has two threads; a connection that a restart of the server has cut is made anew.
    return {"pool_size": 1, "max_overflow": 2, "pool_pre_ping": True}


def absolute(spec: Any) -> Any:
    """Return a storage setting that means the same in whatever folder a job runs."""
    if spec is None or isinstance(spec, Mapping):
        return spec
    scheme, slashes, path = str(spec).partition(":///")
    if scheme == "sqlite" and path:
        return f"{scheme}{slashes}{Path(path).absolute()}"
    return spec if "://" in str(spec) else str(Path(spec).absolute())


def without_passwords(spec: Any) -> Any:
    """Return a storage setting that may be written to disk, and put its passwords aside.

    They go to environment variables, which the workers of this command inherit, and the setting
    names these in their place: a job's files hold no secret.
    """
    for i, password in enumerate(passwords(spec)):
        os.environ[f"{_PASSWORD}_{i}"] = password
        spec = _replaced(spec, f":{password}@", f":${{oc.env:{_PASSWORD}_{i}}}@")
    return spec


def stored_passwords() -> tuple[str, ...]:
    """Return the passwords that `without_passwords` has put aside in this process tree."""
    return tuple(value for name, value in os.environ.items() if name.startswith(_PASSWORD))


def _with_passwords(spec: Any) -> Any:
    if _PASSWORD not in str(spec):
        return spec
    config = OmegaConf.create({"storage": spec})
    return OmegaConf.to_container(config, resolve=True)["storage"]  # type: ignore[call-overload,index]


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return value.replace(old, new) if isinstance(value, str) else value


def _patient(name: str) -> Any:
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._call(getattr(self._storage, name), *args, **kwargs)

    method.__name__ = name
    return method


class _Seen(threading.local):
    trials: dict[int, list[FrozenTrial]] | None = None  # by study, within a batch


class PatientStorage(BaseStorage):
    """A storage whose operations wait while it is out of reach, instead of failing.

    A file system that hangs, a database or a proxy that restarts: the work of hours is not thrown
    away for that. An operation is tried again as long as it fails for such a reason; all that
    workers do can be repeated safely. Errors of another kind are raised at once.

    Args:
        storage: the storage itself, already open.
        patience_s: an operation fails after so long.

    Attributes:
        back_since: `time.monotonic()` when it was last found to be back; None: never away.
    """

    def __init__(self, storage: BaseStorage, patience_s: float) -> None:
        self._storage, self._patience_s = storage, patience_s
        self._seen = _Seen()
        self.back_since: float | None = None

    def _call(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result, was_away = _wait_for(partial(operation, *args, **kwargs), self._patience_s)
        if was_away:
            self.back_since = time.monotonic()
        return result

    @contextmanager
    def batch(self) -> Iterator[None]:
        """See `batched`."""
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
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of a study; in a batch, as they were when it asked first."""
        seen = self._seen.trials
        if seen is None or deepcopy:
            trials: list[FrozenTrial] = self._call(
                self._storage.get_all_trials, study_id, deepcopy, states
            )
            return trials
        if study_id not in seen:  # a database sends every unfinished trial, each time
            seen[study_id] = self._call(self._storage.get_all_trials, study_id, deepcopy=False)
        return [t for t in seen[study_id] if states is None or t.state in states]

    create_new_study = _patient("create_new_study")
    delete_study = _patient("delete_study")
    set_study_user_attr = _patient("set_study_user_attr")
    set_study_system_attr = _patient("set_study_system_attr")
    get_study_id_from_name = _patient("get_study_id_from_name")
    get_study_name_from_id = _patient("get_study_name_from_id")
    get_study_directions = _patient("get_study_directions")
    get_study_user_attrs = _patient("get_study_user_attrs")
    get_study_system_attrs = _patient("get_study_system_attrs")
    get_all_studies = _patient("get_all_studies")
    create_new_trial = _patient("create_new_trial")
    set_trial_param = _patient("set_trial_param")
    get_trial_id_from_study_id_trial_number = _patient("get_trial_id_from_study_id_trial_number")
    get_trial_number_from_id = _patient("get_trial_number_from_id")
    get_trial_param = _patient("get_trial_param")
    set_trial_state_values = _patient("set_trial_state_values")
    set_trial_intermediate_value = _patient("set_trial_intermediate_value")
    set_trial_user_attr = _patient("set_trial_user_attr")
    set_trial_system_attr = _patient("set_trial_system_attr")
    get_trial = _patient("get_trial")
    get_n_trials = _patient("get_n_trials")
    get_best_trial = _patient("get_best_trial")
    remove_session = _patient("remove_session")


def _wait_for(operation: Callable[[], Any], patience_s: float) -> tuple[Any, bool]:
    """Return what an operation returns, and whether the storage was out of reach before."""
    deadline, pause = time.monotonic() + patience_s, 0.05
    failed = False
    while True:
        try:
            result = operation()
        except Exception as error:
            if not _is_out_of_reach(error) or time.monotonic() > deadline:
                raise
            if not failed:
                _log.warning("the storage is out of reach, waiting for it: %s", _line(error))
            failed = True
            signals.raise_pending()
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            continue
        if failed:
            _log.warning("the storage is back")
        return result, failed


def _is_out_of_reach(error: BaseException) -> bool:
    if isinstance(error, InstantiationException):
        error = error.__cause__ or error
    if isinstance(error, OSError):
        return True
    if isinstance(error, StorageInternalError):
        error = error.__cause__ or error
    names = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return bool(
        names & {"sqlalchemy.OperationalError", "sqlalchemy.InterfaceError", "grpc.RpcError"}
    )


def _line(error: BaseException) -> str:
    text = next(iter(str(error).splitlines()), "") or type(error).__name__
    return hide(text[:200], stored_passwords())
