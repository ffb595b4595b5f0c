"""Asynchronous sweeps in virtual time, with the sampler, pruner and decisions of live ones.

Every worker does what `hpo.worker` does: it takes a paused trial that the policy chooses, else a
new one, trains it epoch by epoch, reports, and does what `hpo.study.life` says; only an epoch is
a look-up in a table of curves. Time is in epochs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import study_id
from hpo.attributes import PAUSED
from hpo.curves import CurveTable
from hpo.search.pausing import choose_last, choose_paused, decide, may_begin
from hpo.search.screen import Screen
from hpo.search.seeded import make_sampler
from hpo.search.space import Space
from hpo.simulate.run import Run, Spent
from hpo.study.life import Life, Outcome

_SPEED = (0.9, 1.1)  # time of an epoch, drawn for each trial


class Trials(Protocol):
    """Where the configurations of a simulated sweep come from."""

    table: CurveTable
    n_trials: int | None

    def fixed(self, number: int) -> dict[str, Any]:
        """Return the parameters of a trial that no sampler draws."""

    def sampler(self, number: int) -> BaseSampler:
        """Return the sampler that draws the others."""

    def row(self, trial: optuna.Trial) -> int:
        """Return the row of the table whose curve the trial follows."""


class RowTrials:
    """The rows of a table in a given order, each in [0, T) for T trainings."""

    def __init__(self, table: CurveTable, rows: NDArray[np.intp]) -> None:
        self.table, self._rows = table, rows
        self.n_trials: int | None = len(rows)
        self._sampler = RandomSampler()  # never asked

    def fixed(self, number: int) -> dict[str, Any]:
        """Return all hyperparameters of the row."""
        return self.table.params(int(self._rows[number]))

    def sampler(self, number: int) -> BaseSampler:
        """Return a sampler that has nothing to draw."""
        del number
        return self._sampler

    def row(self, trial: optuna.Trial) -> int:
        """Return the row at the trial's number."""
        return int(self._rows[trial.number])


class SampledTrials:
    """Any number of proposals of a sampler, each with the curve of the nearest row.

    A sampler is made from its node for every trial, as in a live sweep. Of several trainings of
    the nearest configuration one is drawn, by `seed`.
    """

    n_trials: int | None = None

    def __init__(self, table: CurveTable, sampler: dict[str, Any], seed: int) -> None:
        self.table, self._node = table, sampler
        self._random = np.random.default_rng([seed, 1])

    def fixed(self, number: int) -> dict[str, Any]:
        """Return nothing: all parameters are drawn."""
        del number
        return {}

    def sampler(self, number: int) -> BaseSampler:
        """Return a new sampler, seeded as in a live sweep."""
        return make_sampler(self._node, number)[0]

    def row(self, trial: optuna.Trial) -> int:
        """Return the nearest row."""
        return int(self._random.choice(self.table.nearest(trial.params)))


def replay(
    trials: Trials,
    pruner: BasePruner,
    *,
    n_workers: int = 1,
    seed: int = 0,
    screen: Screen | None = None,
    start_epochs: float = 0.0,
    resume_epochs: float = 0.0,
    budget: float = math.inf,
    good_loss: float = -math.inf,
) -> Run:
    """Return what a sweep spends and finds.

    Args:
        trials: where the configurations come from.
        pruner: any of Optuna's, or an `hpo.PausingPruner`; a new object.
        n_workers: at least 1; a worker ends when no trial is left.
        seed: of the trials' speeds.
        screen: asked once about each new trial; what it skips counts as pruned with no epoch.
        start_epochs: time that passes before a new trial's first epoch.
        resume_epochs: time that passes before a resumed trial's next epoch.
        budget: epochs of all workers together after which the sweep ends.
        good_loss: it also ends when a trial has finished with at most this loss.
    """
    delays = start_epochs, resume_epochs
    sweep = _Sweep(trials, pruner, seed, screen, delays, budget)
    return sweep.run(n_workers, good_loss)


@dataclass
class _Training:
    """A trial that a worker trains, or that is paused."""

    study: optuna.Study
    trial_id: int
    number: int
    row: int
    epoch_time: float
    epoch: int = 0
    life: Life = field(default_factory=Life)  # since it was begun or resumed


class _Storage(InMemoryStorage):
    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        # Optuna's shortcut for (WAITING,) assumes that no trial goes back to WAITING.
        if isinstance(states, tuple):
            states = frozenset(states)
        return super().get_all_trials(study_id, deepcopy, states)


class _Sweep:
    def __init__(
        self,
        trials: Trials,
        pruner: BasePruner,
        seed: int,
        screen: Screen | None,
        delays: tuple[float, float],
        budget: float,
    ) -> None:
        self._trials, self._pruner, self._screen = trials, pruner, screen
        self._delays, self._budget = delays, budget
        self._table, self._space = trials.table, Space(trials.table.distributions)
        self._random = np.random.default_rng([seed, 0])
        self._storage = _Storage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name="simulation",
            direction=StudyDirection[self._table.direction.upper()],
            pruner=pruner,
        )
        self._events: list[tuple[float, int, _Training]] = []
        self._paused: dict[int, _Training] = {}  # by trial number
        self._n_issued = self._n_begun = self._n_events = 0
        self._epochs = self._n_started = self._n_resumed = 0
        self._finished: list[tuple[Spent, float]] = []
        for _ in range(1 if trials.n_trials is None else trials.n_trials):
            self._issue()

    def run(self, n_workers: int, good_loss: float) -> Run:
        for _ in range(n_workers):
            self._occupy_worker(0.0)
        while self._events and self._epochs < self._budget:
            now, _, training = heapq.heappop(self._events)
            self._end_epoch(now, training)
            if self._finished and self._finished[-1][1] <= good_loss:
                break
        lengths = tuple(len(trial.intermediate_values) for trial in self._begun())
        return Run(self._spent(), tuple(self._finished), lengths)

    def _begun(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)[: self._n_begun]

    def _spent(self) -> Spent:
        return Spent(self._epochs, self._n_started, self._n_resumed)

    def _issue(self) -> None:
        # A ticket, as in hpo.study.tickets: policies see how many trials are still to come.
        self._study.enqueue_trial(self._trials.fixed(self._n_issued))
        self._n_issued += 1

    def _occupy_worker(self, now: float) -> None:
        start_delay, resume_delay = self._delays
        if (paused := self._next_paused()) is not None:
            self._n_resumed += 1
            self._storage.set_trial_state_values(paused.trial_id, TrialState.RUNNING)
            self._schedule(now + resume_delay, paused)
        elif (new := self._next_new()) is not None:
            self._n_started += 1
            self._schedule(now + start_delay, new)
        elif not self._events:
            self._wind_up(now)

    def _next_paused(self) -> _Training | None:
        if not self._paused:
            return None
        paused = [self._storage.get_trial(self._paused[n].trial_id) for n in sorted(self._paused)]
        chosen = choose_paused(self._study, paused)
        return None if chosen is None else self._paused.pop(chosen.number)

    def _next_new(self) -> _Training | None:
        # At most as many trials as epochs, should a screen skip them all.
        limit = min(self._n_issued, self._budget)
        while self._n_begun < limit and may_begin(self._study):
            training = self._begin(self._n_begun)
            self._n_begun += 1
            if self._trials.n_trials is None:
                self._issue()
                limit = min(self._n_issued, self._budget)
            trial = self._storage.get_trial(training.trial_id)
            if self._screen is None or not self._screen.skips(training.study, trial):
                return training
            training.study.tell(training.number, state=TrialState.PRUNED)
        return None

    def _begin(self, number: int) -> _Training:
        # A study object per trial, as hpo.worker has it: Optuna caches the other trials in it.
        study = optuna.load_study(
            study_name="simulation",
            storage=self._storage,
            sampler=self._trials.sampler(number),
            pruner=self._pruner,
        )
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id(study), number)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        trial = optuna.Trial(study, trial_id)
        self._space.suggest(trial)
        row, epoch_time = self._trials.row(trial), float(self._random.uniform(*_SPEED))
        return _Training(study, trial_id, number, row, epoch_time)

    def _wind_up(self, now: float) -> None:
        last = choose_last(self._study, self._begun())
        if last is not None:
            training = self._paused.pop(last.number)
            self._n_resumed += 1
            self._storage.set_trial_state_values(training.trial_id, TrialState.RUNNING)
            self._schedule(now + self._delays[1], training)
            return
        for training in self._paused.values():
            value = self._table.curves[training.row, training.epoch - 1]
            self._storage.set_trial_state_values(training.trial_id, TrialState.PRUNED, [value])
        self._paused.clear()

    def _schedule(self, now: float, training: _Training) -> None:
        self._n_events += 1  # two at the same time: the one scheduled first
        heapq.heappush(self._events, (now + training.epoch_time, self._n_events, training))

    def _end_epoch(self, now: float, training: _Training) -> None:
        training.epoch += 1
        self._epochs += 1
        outcome = self._report(training, training.epoch == self._table.n_epochs)
        if outcome is None:
            self._schedule(now, training)
            return
        if outcome.state is TrialState.WAITING:
            self._pause(training)
        else:
            training.study.tell(training.number, outcome.value, outcome.state)
        if outcome.state is TrialState.COMPLETE:
            loss = float(self._table.losses[training.row, -1])
            self._finished.append((self._spent(), loss))
        self._occupy_worker(now)

    def _report(self, training: _Training, final: bool) -> Outcome | None:
        """Report the value of an epoch; return what becomes of the trial, None: it goes on."""
        life, epoch = training.life, training.epoch
        value = float(self._table.curves[training.row, epoch - 1])
        if life.report(value, epoch):
            self._storage.set_trial_intermediate_value(training.trial_id, epoch, value)
            if not final:  # at the end nothing would be saved: the pruner is not asked
                trial = self._storage.get_trial(training.trial_id)
                life.decide(decide(training.study, trial), epoch)
        return life.returned(value) if final or life.stops else None

    def _pause(self, training: _Training) -> None:
        self._storage.set_trial_system_attr(training.trial_id, PAUSED, training.epoch)
        self._storage.set_trial_state_values(training.trial_id, TrialState.WAITING)
        self._paused[training.number] = replace(training, life=Life())
