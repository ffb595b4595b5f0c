"""Opening the storage of a study: a journal file, a server, a proxy or any class of Optuna's."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, InMemoryStorage, RDBStorage

from commons.extras import missing_module, remedy
from commons.optuna_internals import cached
from commons.terminal import one_line
from hpo.hydra_internals import instantiate
from hpo.settings import SettingError
from hpo.storage import postgres_journal, redis_journal
from hpo.storage.batching import BatchingJournal
from hpo.storage.journal import JournalFile
from hpo.storage.passwords import hide, passwords, with_passwords
from hpo.storage.patient import PatientStorage, wait_for
from hpo.storage.postgres_journal import PostgresJournal
from hpo.storage.proxy import ProxyJournal
from hpo.storage.redis_journal import RedisJournal
from hpo.storage.sqlite import BUSY_S, SqliteFile

_HEAD_BYTES = 1 << 16
_FIELD = b'"op_code"'  # each record has it
_BEGINNING = b'{"op_code"'  # of which a dead writer may have left a part


def open_storage(
    spec: Any, sweep_dir: Path, patience_s: float = 0.0, *, exists: bool = False
) -> BaseStorage:
    """Return the storage that a setting names.

    Args:
        spec: None (`journal.log` in `sweep_dir`), the path of a journal file, a database URL,
            `journal+postgresql://...`, `redis://host:port/database` (or `valkey://...`),
            `grpc://host:port` (a proxy: that of `hpo.serve`, or Optuna's), or a `_target_` node.
        sweep_dir: the sweep folder.
        patience_s: how long later operations wait for a storage that is unreachable.
        exists: another process has created it: wait for it as long, and do not create it, for
            example in an empty folder whose file system is not mounted.

    Raises:
        SettingError: it cannot be opened, or exists in one process only.
    """
    try:
        open_it = partial(_open, with_passwords(spec), sweep_dir, exists)
        storage, was_away = wait_for(open_it, patience_s) if exists else (open_it(), False)
    except Exception as error:  # whatever a database driver or a class of the user raises
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        module = missing_module(error)
        if module is not None:
            line += f": {remedy(module)}"
        line = one_line(hide(line, passwords(with_passwords(spec))))
        raise SettingError("{storage}: {}", line) from error
    if isinstance(storage, InMemoryStorage):
        raise SettingError("{storage}: workers cannot share InMemoryStorage; use a file or a URL")
    storage = cached(storage)
    if patience_s <= 0:
        return storage
    patient = PatientStorage(storage, patience_s)  # type: ignore[abstract] # methods set by loop
    if was_away:
        patient.back_since = time.monotonic()
    return patient


def _open(spec: Any, sweep_dir: Path, exists: bool) -> BaseStorage:
    if isinstance(spec, Mapping):
        storage: BaseStorage = instantiate(dict(spec))
        return storage
    if str(spec).startswith("grpc://"):
        return _open_proxy(str(spec))
    if postgres_journal.is_address(str(spec)):
        return BatchingJournal(PostgresJournal(str(spec)))
    if redis_journal.is_address(str(spec)):
        return BatchingJournal(RedisJournal(str(spec)))
    if spec is not None and "://" in str(spec):
        return _open_database(str(spec), exists)
    path = (Path(spec) if spec is not None else sweep_dir / "journal.log").absolute()
    if not exists:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        _check_journal(path)
    return BatchingJournal(JournalFile(path, exists=exists))


def _open_database(url: str, exists: bool) -> BaseStorage:
    """Open a database. Of several processes that make its tables at once all but one fail."""
    for pause_s in (0.5, 1.0, 2.0, 0.0):
        try:
            return RDBStorage(url, engine_kwargs=_engine_options(url, exists))
        except Exception as error:
            was_made = any(text in str(error) for text in ("already exists", "duplicate key"))
            if not (pause_s and was_made):
                raise
            time.sleep(pause_s * random.uniform(0.5, 1.0))
    raise AssertionError  # the last attempt returns or raises


def _check_journal(path: Path) -> None:
    """Refuse what is there and no journal: records would be appended to the user's own file."""
    if not path.exists() or path.is_dir():  # opening tells of a folder
        return
    if not path.is_file():
        raise ValueError(f"{path} is no ordinary file; give the path of a journal")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).strip(b"\0\n")  # a crash leaves such bytes
    if not (_FIELD in head or _BEGINNING.startswith(head[: len(_BEGINNING)])):
        raise ValueError(f"{path} is no journal of a study; give the path of one, or of no file")


def _open_proxy(url: str) -> BaseStorage:
    host, colon, port = url.removeprefix("grpc://").rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"expected grpc://host:port, got {url}")
    with warnings.catch_warnings():  # every worker would print that the proxy is experimental
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = GrpcStorageProxy(host=host, port=int(port))
    proxy.wait_server_ready(timeout=30)
    journal = ProxyJournal(f"{host}:{port}")
    if journal.is_served():
        proxy.close()
        return BatchingJournal(journal)
    journal.close()
    return proxy


def _engine_options(url: str, exists: bool) -> dict[str, Any]:
    path = url.removeprefix("sqlite:///")
    if path != url and path and path != ":memory:" and "?" not in path:
        return SqliteFile(Path(path), exists=exists).options()
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": BUSY_S}}
    # A worker has two threads; a connection cut by a restart of the server is replaced.
    return {"pool_size": 1, "max_overflow": 2, "pool_pre_ping": True}


def storage_file(spec: Any, sweep_dir: Path) -> Path | None:
    """Return the file of a storage setting, None for a server or a `_target_` node."""
    if spec is None:
        return sweep_dir / "journal.log"
    scheme, slashes, path = str(spec).partition(":///")
    if isinstance(spec, Mapping) or (slashes and scheme != "sqlite") or "://" in scheme:
        return None
    return Path(path.partition("?")[0] if slashes else scheme).absolute()


def absolute(spec: Any) -> Any:
    """Return a storage setting that means the same in any working directory.

    Raises:
        SettingError: it is neither a text nor a node.
    """
    if spec is None or (isinstance(spec, Mapping) and "_target_" in spec):
        return spec
    if not isinstance(spec, str):
        rule = "{storage} must be null, a path, a URL or a mapping with _target_, got {!r}"
        raise SettingError(rule, spec)
    scheme, slashes, path = str(spec).partition(":///")
    if scheme == "sqlite" and path:
        return f"{scheme}{slashes}{Path(path).absolute()}"
    return spec if "://" in str(spec) else str(Path(spec).absolute())
