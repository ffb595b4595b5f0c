"""Finding a study, for the commands (`study=NAME storage=WHERE`) and for notebooks."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from commons.cli import UsageError, did_you_mean
from hpo.storage.opening import open_storage


def load(where: Path | str, study: str | None = None) -> optuna.Study:
    """Return a study of a sweep; no file is created.

    Args:
        where: a sweep folder, a journal file, or the URL of a database or proxy.
        study: its name; None: the only one.

    Raises:
        ValueError: the storage or the study does not exist or cannot be opened.
    """
    storage = open_storage(str(find_storage(str(where))), Path.cwd(), exists=True)
    return optuna.load_study(study_name=find_study(storage, study), storage=storage)


def find_storage(text: str, key: str = "storage") -> Path | str:
    """Return the path of a journal file or the URL of a database; `key` is what the user typed.

    Raises:
        UsageError: there is no such file; opening it would create it.
    """
    if text.startswith("sqlite:///") and not Path(text.removeprefix("sqlite:///")).is_file():
        raise UsageError(f"{key}={text}: no such file")
    if "://" in text:
        return text
    path = Path(text)
    path = path / "journal.log" if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"{key}={text}: no such journal file")
    return path


def find_study(storage: BaseStorage, wanted: str | None, key: str = "study") -> str:
    """Return the name of the study; without `wanted`, which `key` gives, that of the only one.

    Raises:
        UsageError: there is no such study, or there are several.
    """
    names = sorted(study.study_name for study in storage.get_all_studies())
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        asked = f"{key}=... is missing" if wanted is None else f"{key}={wanted}"
        near = did_you_mean(wanted or "", names)
        raise UsageError(f"{asked}: the storage has {', '.join(names) or 'no study'}{near}")
    return wanted
