"""Where the trials of a study stand at each rung, kept sorted from decision to decision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from commons.changes import Changes
from commons.optuna_internals import storage_of, study_id
from commons.ranking import Opinions, Order, Ranking
from commons.rungs import Rungs, sign


class Standings:
    """The trials of one study at each rung, best first. Threads may share it.

    Args:
        rungs: where trials are compared.
        ranking: of trials at a rung.
        counts: whether a trial has a place at the rungs that it has reached; None: each has.

    Attributes:
        rungs: those of the study at the last look.
        new: numbers of the WAITING trials that have not begun.
        early: numbers of the WAITING trials that have begun, but have reached no rung.
    """

    def __init__(
        self, rungs: Rungs, ranking: Ranking, counts: Callable[[FrozenTrial], bool] | None = None
    ) -> None:
        self._ranking, self._counts = ranking, counts
        self._longest, self._lock = 0, threading.Lock()
        self._begin(rungs)

    def _begin(self, rungs: Rungs) -> None:
        self.rungs, self._changes = rungs, Changes()
        self.new, self.early = set[int](), set[int]()
        self._at: dict[int, Order] = {}  # by rung
        self._last: dict[int, Order] = {}  # unfinished trials, by the last rung of each
        self._paused: dict[int, Order] = {}  # those of them that are WAITING
        self._places: dict[int, dict[int, Opinions]] = {}  # by trial number and rung
        self._stage: dict[int, int] = {}  # last rung of each unfinished trial, 0: none
        self._running: dict[int, int] = {}  # the same of RUNNING trials

    def look(self, study: Study, trial: FrozenTrial | None = None) -> Standings:
        """Read the study and place the trials that have changed; return itself.

        Args:
            study: with the trials.
            trial: of the study, which may know more of itself than the storage shows yet.
        """
        with self._lock:
            self._read(study, trial)
            if (rungs := self.rungs.when(self._longest)) != self.rungs:
                self._begin(rungs)
                self._read(study, trial)
        return self

    def n_at(self, rung: int) -> int:
        """Return how many trials have reached a rung."""
        return len(self._at.get(rung, ()))

    def n_running_from(self, rung: int) -> int:
        """Return how many RUNNING trials have this last rung; 0: have not reached any."""
        return sum(last == rung for last in [*self._running.values()])

    def is_waiting(self, number: int) -> bool:
        """Tell whether a trial that has begun is WAITING."""
        return number in self._stage and number not in self._running

    def place(self, number: int, rung: int) -> int | None:
        """Return how many trials are before one at a rung; None: it has no place there."""
        with self._lock:
            return self._at[rung].place(number) if rung in self._at else None

    def last_at(self, rung: int, *, waiting_only: bool = False) -> Iterator[tuple[int, int]]:
        """Yield place and number of the unfinished trials whose last rung this is, best first."""
        last = self._paused if waiting_only else self._last
        if rung not in last:
            return
        for number in self._at[rung].best_of(last[rung]):
            if (place := self.place(number, rung)) is not None:
                yield place, number

    def promotable(self, *, waiting_only: bool) -> Iterator[int]:
        """Yield the numbers of unfinished trials that `is_promotable` tells, or of WAITING ones.

        Higher rungs and better trials come first.
        """
        for rung in sorted(self._last, reverse=True):
            n_best = self.rungs.n_best(rung, self.n_at)
            for place, number in self.last_at(rung, waiting_only=waiting_only) if n_best else ():
                if place >= n_best:
                    break
                yield number

    def is_promotable(self, number: int) -> bool:
        """Tell whether an unfinished trial is among the best of its last rung that go on."""
        rung = self._stage.get(number, 0)
        n_best = self.rungs.n_best(rung, self.n_at)
        with self._lock:
            return rung in self._at and self._at[rung].is_among(number, n_best)

    def _read(self, study: Study, trial: FrozenTrial | None) -> None:
        changed: Iterable[FrozenTrial] = self._changes.of(storage_of(study), study_id(study))
        for each in [*changed, *([] if trial is None else [trial])]:
            self._longest = max(self._longest, each.last_step or 0)
            self._place(each, sign(study))

    def _place(self, trial: FrozenTrial, factor: int) -> None:
        curve, number = trial.intermediate_values, trial.number
        counts = self._counts is None or self._counts(trial)
        reached = self.rungs.up_to(trial.last_step or 0) if counts else []
        opinions = {rung: self._ranking(curve, rung, factor, number) for rung in reached}
        new = {rung: each for rung, each in opinions.items() if each is not None}
        old = self._places.pop(number, {})
        for rung in old.keys() | new.keys():
            if old.get(rung) != new.get(rung):
                self._at.setdefault(rung, Order()).set(number, new.get(rung))
        if new:
            self._places[number] = new
        self._forget(number)
        if not trial.state.is_finished():
            self._place_unfinished(trial, reached[-1] if reached else 0, new)

    def _place_unfinished(
        self, trial: FrozenTrial, last: int, opinions: dict[int, Opinions]
    ) -> None:
        number = trial.number
        if trial.state == TrialState.RUNNING:
            self._running[number] = last
        elif not trial.intermediate_values:
            self.new.add(number)
            return
        elif not last:
            self.early.add(number)
        self._stage[number] = last
        if last in opinions:
            self._last.setdefault(last, Order()).set(number, opinions[last])
            if trial.state == TrialState.WAITING:
                self._paused.setdefault(last, Order()).set(number, opinions[last])

    def _forget(self, number: int) -> None:
        """Take out what is known of an unfinished trial."""
        last = self._stage.pop(number, 0)
        for of_rung in (self._last, self._paused):
            if last in of_rung:
                of_rung[last].set(number, None)
        self._running.pop(number, None)
        self.new.discard(number)
        self.early.discard(number)
