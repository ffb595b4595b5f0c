"""The study of a simulated sweep: which trial comes next, and what becomes of it.

It does what `hpo.study.tickets` and `hpo.worker` do with a live study, with the same decisions of
`hpo.search.pausing` and `hpo.study.life`. It knows no time.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import study_id
from hpo.attributes import PAUSED
from hpo.growth import Growth
from hpo.search.growth import GrowingPruner
from hpo.search.pausing import (
    Decision,
    PausedTrials,
    PausingPruner,
    choose_last,
    choose_paused,
    decide,
    is_due,
    may_begin,
    n_startable,
)
from hpo.search.space import Space
from hpo.simulate.gpus import ONE, check_pauses
from hpo.simulate.storage import Memory
from hpo.simulate.trials import Curve, Trials
from hpo.study.life import Life, Outcome

_NAME = "simulation"


@dataclass
class Training:
    """A trial that has begun.

    Attributes:
        slowness: factor on the time of its epochs.
        epoch: epochs that were reported.
        life: since it was begun or resumed.
    """

    study: optuna.Study
    trial_id: int
    number: int
    curve: Curve
    slowness: float
    epoch: int = 0
    life: Life = field(default_factory=Life)

    @property
    def is_at_end(self) -> bool:
        """Whether the curve has no further value."""
        return self.epoch == len(self.curve.values)


@dataclass
class _Desk:
    """What waits for the workers that have one number of GPUs.

    Attributes:
        study: with the pruner of these workers.
        paused: trials that the policy may choose.
        interrupted: a heap of trainings, by trial number.
    """

    study: optuna.Study
    paused: PausedTrials = field(default_factory=PausedTrials)
    interrupted: list[tuple[int, Training]] = field(default_factory=list)


class SimulatedStudy:
    """The study of a simulated sweep.

    Args:
        trials: where configurations and curves come from.
        pruner: of the study; one that pauses trials if they grow.
        slowness: draws that of a trial.
        growth: how many GPUs a trial has.

    Raises:
        ValueError: trials grow, and the pruner does not pause them.

    Attributes:
        n_running: trials that a worker has.
        n_cut: trials that would have gone on beyond what is known of their curves.
    """

    def __init__(
        self,
        trials: Trials,
        pruner: BasePruner,
        slowness: Callable[[], float],
        growth: Growth = ONE,
    ) -> None:
        check_pauses(growth, pruner)
        self._trials, self._growth = trials, growth
        self._space, self._slowness = Space(trials.space), slowness
        self._storage = Memory()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=_NAME,
            direction=StudyDirection[trials.direction.upper()],
            pruner=pruner,
        )
        self._desks = {gpus: _Desk(self._load(pruner, gpus)) for gpus in growth.sizes}
        self._paused: dict[int, Training] = {}  # by trial number
        self._n_issued = self._n_begun = 0
        self.n_running = self.n_cut = 0
        self._issue()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Values of each trial that has begun, by number."""
        return tuple(len(trial.intermediate_values) for trial in self._begun())

    def n_startable(self, gpus: int, limit: float = math.inf) -> int:
        """Return how many trials a worker with so many GPUs could begin or go on with.

        New ones have numbers below a limit.
        """
        desk, n_new = self._desks[gpus], 0
        if gpus == self._growth.after(0):
            n_trials = sys.maxsize if self._trials.n_trials is None else self._trials.n_trials
            n_new = max(0, int(min(n_trials, limit, sys.maxsize)) - self._n_begun)
        return len(desk.interrupted) + n_startable(self._study, desk.paused, n_new)

    def next_waiting(self, gpus: int = 1) -> Training | None:
        """Claim, for a worker with so many GPUs, an interrupted trial, else a paused one.

        The policy chooses among paused ones.
        """
        desk = self._desks[gpus]
        if desk.interrupted:
            return self._run(heapq.heappop(desk.interrupted)[1], desk)
        while desk.paused:
            # Only trials of this size are at the desk, so the policy need not look at sizes again.
            chosen = choose_paused(self._study, desk.paused)
            if chosen is None:
                break
            training = self._take_paused(chosen)
            if not training.is_at_end:
                return self._run(training, desk)
            self._cut(training)
        return None

    def next_new(self, limit: float, gpus: int = 1) -> Training | None:
        """Begin a new trial with a number below a limit."""
        desk = self._desks[gpus]
        if self._n_begun >= min(self._n_issued, limit) or not may_begin(desk.study):
            return None
        training = self._begin(self._n_begun, desk)
        self._n_begun += 1
        self._issue()
        self.n_running += 1
        return training

    def wind_up(self, gpus: int = 1) -> Training | None:
        """Claim the trial that is trained to its end when no other is left, or prune all paused.

        No trial may be running. Nothing is done while a trial goes on with other GPUs, and the
        last one is left to a worker that has its number of GPUs.
        """
        if any(self.n_startable(other) for other in self._desks if other != gpus):
            return None
        while (last := choose_last(self._study, self._begun())) is not None:
            training = self._take_paused(last)
            if not training.is_at_end:
                self._wait_for_worker(training)
                return self.next_waiting(gpus)
            self._cut(training)
        for training in [*self._paused.values()]:
            self._prune_at_last(self._take_paused(self._trial(training)))
        return None

    def report(self, training: Training) -> Outcome | None:
        """Report the value of an epoch; return what becomes of the trial, None: it goes on."""
        life, curve = training.life, training.curve
        value, step = curve.values[training.epoch], curve.steps[training.epoch]
        before = curve.steps[training.epoch - 1] if training.epoch else 0
        training.epoch += 1
        is_last = training.is_at_end
        is_cut = is_last and curve.end is TrialState.PRUNED
        if life.report(value, step):
            self._storage.set_trial_intermediate_value(training.trial_id, step, value)
            # At the end nothing would be saved: the pruner is not asked.
            if (not is_last or is_cut) and is_due(training.study.pruner, before, step):
                trial = self._trial(training)
                life.decide(decide(training.study, trial), step)
        if not is_last and not life.stops:
            return None
        if is_cut and not life.stops:
            self.n_cut += 1
            life.decide(Decision.PRUNE, step)
        return self._ended(training)

    def _ended(self, training: Training) -> Outcome:
        life, curve = training.life, training.curve
        if curve.end is TrialState.FAIL and not life.stops:
            return Outcome(TrialState.FAIL)
        return life.returned(curve.final)

    def end(self, training: Training, outcome: Outcome) -> None:
        """Note the end of a trial, or its pause."""
        self.n_running -= 1
        if outcome.state is not TrialState.WAITING:
            training.study.tell(training.number, outcome.values, outcome.state)
            return
        self._storage.set_trial_system_attr(training.trial_id, PAUSED, outcome.paused_at)
        self._wait(training)
        self._paused[training.number] = training
        trial = self._trial(training)
        self._desk_of(trial).paused.add(trial)

    def interrupt(self, training: Training) -> None:
        """Give back a trial; it is claimed before all others."""
        self.n_running -= 1
        self._wait(training)
        self._wait_for_worker(training)

    def _wait_for_worker(self, training: Training) -> None:
        desk = self._desk_of(self._trial(training))
        heapq.heappush(desk.interrupted, (training.number, training))

    def _desk_of(self, trial: FrozenTrial) -> _Desk:
        return self._desks[self._growth.after(trial.last_step or 0)]

    def _trial(self, training: Training) -> FrozenTrial:
        return self._storage.get_trial(training.trial_id)

    def _wait(self, training: Training) -> None:
        self._storage.set_trial_state_values(training.trial_id, TrialState.WAITING)
        training.life = Life()

    def _run(self, training: Training, desk: _Desk) -> Training:
        training.study.pruner = desk.study.pruner
        self._storage.set_trial_state_values(training.trial_id, TrialState.RUNNING)
        self.n_running += 1
        return training

    def _take_paused(self, trial: FrozenTrial) -> Training:
        self._desk_of(trial).paused.remove(trial.number)
        return self._paused.pop(trial.number)

    def _cut(self, training: Training) -> None:
        self.n_cut += 1
        self._prune_at_last(training)

    def _prune_at_last(self, training: Training) -> None:
        value = training.curve.values[training.epoch - 1]
        self._storage.set_trial_state_values(training.trial_id, TrialState.PRUNED, [value])

    def _begun(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)[: self._n_begun]

    def _issue(self) -> None:
        # A ticket, as in hpo.study.tickets: policies see that a trial is still to come.
        if self._trials.n_trials is None or self._n_issued < self._trials.n_trials:
            self._study.enqueue_trial(self._trials.fixed(self._n_issued))
            self._n_issued += 1

    def _load(self, pruner: BasePruner, gpus: int) -> optuna.Study:
        """Return the study as workers with so many GPUs see it."""
        if isinstance(pruner, PausingPruner) and len(self._growth.sizes) > 1:
            pruner = GrowingPruner(pruner, self._growth, gpus)
        return optuna.load_study(study_name=_NAME, storage=self._storage, pruner=pruner)

    def _begin(self, number: int, desk: _Desk) -> Training:
        # A study object per trial, as hpo.worker has it: Optuna caches the other trials in it.
        study = optuna.load_study(
            study_name=_NAME,
            storage=self._storage,
            sampler=self._trials.sampler(number),
            pruner=desk.study.pruner,
        )
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id(study), number)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        trial = optuna.Trial(study, trial_id)
        self._space.suggest(trial)
        return Training(study, trial_id, number, self._trials.curve(trial), self._slowness())
