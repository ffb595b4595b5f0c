"""The arguments that the commands on a study share: `study=NAME storage=WHERE`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optuna.storages import BaseStorage


def read_settings(arguments: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return the values by key.

    >>> read_settings(["storage=a.log"], ["study", "storage"])
    {'storage': 'a.log'}

    Raises:
        ValueError: an argument is not `key=value` with a known key, or there is no `storage`.
    """
    settings = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in known or not equals or not value:
            *most, last = (f"{name}=..." for name in known)
            raise ValueError(f"{argument}: expected {', '.join(most)} or {last}; see --help")
        settings[key] = value
    if "storage" not in settings:
        raise ValueError("storage=... is missing: a journal file, a sweep folder or a URL")
    return settings


def find_storage(text: str) -> Path | str:
    """Return the path of a journal file or the URL of a database.

    Raises:
        ValueError: there is no such file (opening it would create it).
    """
    if text.startswith("sqlite:///") and not Path(text.removeprefix("sqlite:///")).is_file():
        raise ValueError(f"storage={text}: no such file")
    if "://" in text:
        return text
    path = Path(text)
    path = path / "journal.log" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"storage={text}: no such journal file")
    return path


def find_study(storage: BaseStorage, wanted: str | None) -> str:
    """Return the name of the study; that of the only one if none is asked for.

    Raises:
        ValueError: there is no such study, or several to choose from.
    """
    names = sorted(study.study_name for study in storage.get_all_studies())
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        asked = "study=... is missing" if wanted is None else f"study={wanted}"
        raise ValueError(f"{asked}: the storage has {', '.join(names) or 'no study'}")
    return wanted
