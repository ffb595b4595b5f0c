"""Where the trials of a study stand at each rung, kept sorted from decision to decision."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from commons.optuna_internals import storage_of, study_id
from hpo.search.rungs import Rungs, sign, value_at
from hpo.view import Changes

_T = TypeVar("_T")
_Key = tuple[float, int]  # the value, small is good, and the number of the trial


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


class Standings:
    """The values of all trials of one study at each rung, best first.

    Of equal values the trial with the smaller number ranks first. Threads may share it.
    """

    def __init__(self, rungs: Rungs) -> None:
        self._rungs = rungs
        self._changes, self._lock = Changes(), threading.Lock()
        self._at: dict[int, list[_Key]] = {}  # by rung, ascending
        self._of: dict[int, dict[int, _Key]] = {}  # by trial number and rung

    def look(self, study: Study) -> Standings:
        """Read the study and place the trials that have changed; return itself."""
        with self._lock:
            for trial in self._changes.since(study.get_trials(deepcopy=False)):
                self._place(trial, sign(study))
        return self

    def among_others(self, value: float, number: int, rung: int) -> tuple[int, int]:
        """Return how many other trials have reached a rung, and how many of them rank better.

        Args:
            value: of a trial at the rung, small is good.
            number: of the trial.
            rung: where to compare.
        """
        with self._lock:
            ranked, own = self._at.get(rung, []), self._of.get(number, {}).get(rung)
            n_better = bisect_left(ranked, (value, number))
            if own is None:
                return len(ranked), n_better
            return len(ranked) - 1, n_better - (own < (value, number))

    def best(self, share: int) -> Iterator[tuple[int, int]]:
        """Yield the rung and the number of trials: the best n // `share` of the n at each rung.

        The highest rung comes first.
        """
        for rung in sorted(self._at, reverse=True):
            ranked = self._at[rung]
            yield from ((rung, number) for _, number in ranked[: len(ranked) // share])

    def _place(self, trial: FrozenTrial, factor: int) -> None:
        values = {rung: value_at(trial, rung) for rung in self._rungs.up_to(trial.last_step or 0)}
        new = {r: (factor * v, trial.number) for r, v in values.items() if v is not None}
        old = self._of.get(trial.number, {})
        for rung, key in old.items() - new.items():
            ranked = self._at[rung]
            del ranked[bisect_left(ranked, key)]
        for rung, key in new.items() - old.items():
            insort(self._at.setdefault(rung, []), key)
        if new or old:
            self._of[trial.number] = new
