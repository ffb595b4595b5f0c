"""A study to look at, for notebooks."""

from __future__ import annotations

from pathlib import Path

import optuna

from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage


def load(where: Path | str, study: str | None = None) -> optuna.Study:
    """Return a study of a sweep; no file is created.

    Args:
        where: a sweep folder, a journal file, or the URL of a database or proxy.
        study: its name; None: the only one.

    Raises:
        ValueError: the storage or the study does not exist or cannot be opened.
    """
    location = find_storage(str(where))
    storage = open_storage(str(location), Path.cwd())
    return optuna.load_study(study_name=find_study(storage, study), storage=storage)
