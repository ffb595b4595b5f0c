"""Other studies and tables as sources of what is known, and their values in today's space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.distributions import CategoricalDistribution

from commons.optuna_internals import contains
from hpo.search.points import stored_value
from hpo.search.space import Space
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage

_Read = TypeVar("_Read")


def split(source: str) -> tuple[str, str | None]:
    """Return what is before and after `::`, which an IPv6 address may have too."""
    place, separator, name = source.rpartition("::")
    return (place, name) if separator and "]" not in name else (source, None)


def column_of(key: str, header: Sequence[str]) -> str:
    """Return the column of a searched key: that key, or its last part.

    Raises:
        ValueError: there is none.
    """
    names = key.lstrip("+~"), key.rpartition(".")[2].lstrip("+~")
    for name in names:
        if name in header:
            return name
    raise ValueError(f"no column {' or '.join(dict.fromkeys(names))}")


def read_storage(
    place: str, wanted: str | None, read: Callable[[optuna.Study], list[_Read]]
) -> list[_Read]:
    """Return what `read` returns of a study, or of all studies of a storage that fit.

    Args:
        place: a journal file, a sweep folder or a storage URL.
        wanted: name of the study; None: all of them.
        read: raises a ValueError for a study that does not fit.

    Raises:
        ValueError: the storage cannot be opened, or no study fits.
    """
    storage = open_storage(find_storage(place), Path.cwd(), exists=True)
    if wanted is None:
        names = sorted(study.study_name for study in storage.get_all_studies())
    else:
        names = [find_study(storage, wanted)]
    found: list[_Read] = []
    misfits = []
    for name in names:
        try:
            study = optuna.load_study(study_name=name, storage=storage)
            found += read(study)
        except ValueError as error:
            misfits.append(f"study '{name}': {error}")
    if len(misfits) == len(names):
        raise ValueError(next(iter(misfits), "no study in it"))
    return found


def check_directions(study: optuna.Study, wanted: Sequence[str]) -> None:
    """Raise a ValueError if a study has other objectives than today's."""
    theirs, ours = (
        ", ".join(each) for each in ([d.name.lower() for d in study.directions], wanted)
    )
    if theirs != ours:
        raise ValueError(f"its direction is {theirs}, not {ours}")


def value_today(space: Space, key: str, given: Any) -> Any:
    """Return a value as today's trials store it.

    Raises:
        ValueError: it lies outside of the search space.
    """
    distribution = space.distributions[key]
    if isinstance(distribution, CategoricalDistribution) and isinstance(given, str):
        value = _choice(distribution.choices, given)
    else:
        value = stored_value(space, key, given)
    if not contains(distribution, value):
        raise ValueError
    return value


def _choice(choices: Sequence[Any], text: str) -> Any:
    """Return the choice that a text stands for.

    >>> _choice(["adam", True], "true"), _choice([True, 32, 1], "1.0"), _choice([1, None], "")
    (True, 1, None)

    Raises:
        ValueError: for none.
    """
    if text in choices:
        return text
    others = [choice for choice in choices if not isinstance(choice, str)]
    for choice in others:
        forms = ("none", "null", "") if choice is None else (str(choice).lower(),)
        if text.lower() in forms:
            return choice
    numbers = [choice for choice in others if not isinstance(choice, bool)]  # True == 1
    return numbers[numbers.index(float(text))]
