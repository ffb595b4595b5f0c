"""Where the trials of a study stand at each rung, kept sorted from decision to decision."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import merge

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import storage_of, study_id
from hpo.search.rungs import Rungs, sign, value_at
from hpo.view import Changes

_Key = tuple[float, int]  # the value, small is good, and the number of the trial
_Place = tuple[int, bool]  # the highest rung that a trial has reached, and whether it is WAITING


class Standings:
    """The values of all trials of one study at each rung, best first.

    Of equal values the trial with the smaller number ranks first. Threads may share it.
    """

    def __init__(self, rungs: Rungs) -> None:
        self._rungs = rungs
        self._changes, self._lock = Changes(), threading.Lock()
        self._at: dict[int, list[_Key]] = {}  # by rung, ascending
        self._of: dict[int, dict[int, _Key]] = {}  # by trial number and rung
        self._places: dict[_Place, list[_Key]] = {}  # of unfinished trials, ascending
        self._highest: dict[int, tuple[_Place, _Key]] = {}  # where they are there, by trial number

    def look(self, study: Study) -> Standings:
        """Read the study and place the trials that have changed; return itself."""
        with self._lock:
            for trial in self._changes.of(storage_of(study), study_id(study)):
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

    def promotable(self, share: int, *, waiting_only: bool) -> Iterator[int]:
        """Yield the numbers of unfinished trials that `is_promotable` tells, or of WAITING ones.

        Higher rungs and better trials come first.
        """
        for rung in sorted(self._at, reverse=True):
            n_best = len(self._at[rung]) // share
            if not n_best:
                continue
            worst = self._at[rung][n_best - 1]
            waiting = self._places.get((rung, True), [])
            others = [] if waiting_only else self._places.get((rung, False), [])
            for key in merge(waiting, others):
                if key > worst:
                    break
                yield key[1]

    def is_promotable(self, number: int, share: int) -> bool:
        """Tell whether an unfinished trial is among the best n // `share` of its highest rung."""
        if number not in self._highest:
            return False
        (rung, _), key = self._highest[number]
        ranked = self._at[rung]
        return bisect_left(ranked, key) < len(ranked) // share

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
        self._place_unfinished(trial, new)

    def _place_unfinished(self, trial: FrozenTrial, values: dict[int, _Key]) -> None:
        before, now = self._highest.pop(trial.number, None), None
        if not trial.state.is_finished():
            for rung in self._rungs.up_to(trial.last_step or 0)[-1:]:
                if rung in values:
                    now = (rung, trial.state == TrialState.WAITING), values[rung]
        if now != before and before is not None:
            ranked = self._places[before[0]]
            del ranked[bisect_left(ranked, before[1])]
        if now != before and now is not None:
            insort(self._places.setdefault(now[0], []), now[1])
        if now is not None:
            self._highest[trial.number] = now
