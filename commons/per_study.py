"""What samplers and pruners keep about a study from trial to trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import BaseStorage

from commons.optuna_internals import storage_of, study_id

_T = TypeVar("_T")


class PerStudy(Generic[_T]):
    """One object for each study, as long as the storage is in use; not part of a copy or a pickle.

    Args:
        make: makes a new one.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[BaseStorage, dict[int, _T]] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[PerStudy[_T]], tuple[Callable[[], _T]]]:
        return PerStudy, (self._make,)

    def of(self, study: Study) -> _T:
        """Return that of a study; each `Study` object of the study has the same."""
        made = self._made.setdefault(storage_of(study), {})
        key = study_id(study)
        if key not in made:
            made[key] = self._make()
        return made[key]


def hand_on(before: BaseSampler, sampler: BaseSampler) -> None:
    """Let a sampler know what the one of the trial before knows of their study.

    That depends on the study's trials only, so the proposals stay the same. `before` must not be
    used any more, and both must be made from one configuration.
    """
    for name, value in vars(sampler).items():
        known = vars(before).get(name)
        if type(known) is not type(value):
            continue
        if isinstance(value, PerStudy | IntersectionSearchSpace):
            setattr(sampler, name, known)
        elif isinstance(value, BaseSampler) and isinstance(known, BaseSampler):
            hand_on(known, value)
