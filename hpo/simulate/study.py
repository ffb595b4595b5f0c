"""The study of a simulated sweep: which trial comes next, and what becomes of it.

It does what `hpo.study.tickets` and `hpo.worker` do with a live study, with the same decisions of
`hpo.search.pausing` and `hpo.study.life`. It knows no time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import study_id
from hpo.attributes import PAUSED
from hpo.search.pausing import (
    Decision,
    PausedTrials,
    choose_last,
    choose_paused,
    decide,
    is_due,
    may_begin,
)
from hpo.search.screen import Screen
from hpo.search.space import Space
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


class SimulatedStudy:
    """The study of a simulated sweep.

    Args:
        trials: where configurations and curves come from.
        pruner: of the study.
        screen: asked once about each new trial.
        slowness: draws that of a trial.

    Attributes:
        n_running: trials that a worker has.
        n_cut: trials that would have gone on beyond what is known of their curves.
    """

    def __init__(
        self,
        trials: Trials,
        pruner: BasePruner,
        screen: Screen | None,
        slowness: Callable[[], float],
    ) -> None:
        self._trials, self._pruner, self._screen = trials, pruner, screen
        self._space, self._slowness = Space(trials.space), slowness
        self._storage = Memory()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=_NAME,
            direction=StudyDirection[trials.direction.upper()],
            pruner=pruner,
        )
        self._paused: dict[int, Training] = {}  # by trial number
        self._paused_trials = PausedTrials()  # the same
        self._interrupted: list[tuple[int, Training]] = []  # a heap, by trial number
        self._n_issued = self._n_begun = 0
        self.n_running = self.n_cut = 0
        self._issue()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Values of each trial that has begun, by number."""
        return tuple(len(trial.intermediate_values) for trial in self._begun())

    def next_waiting(self) -> Training | None:
        """Claim an interrupted trial, else a paused one that the policy chooses."""
        if self._interrupted:
            return self._run(heapq.heappop(self._interrupted)[1])
        while self._paused_trials:
            chosen = choose_paused(self._study, self._paused_trials)
            if chosen is None:
                break
            training = self._take_paused(chosen)
            if not training.is_at_end:
                return self._run(training)
            self._cut(training)
        return None

    def next_new(self, limit: float) -> Training | None:
        """Begin a new trial that the screen lets through, with a number below a limit."""
        while self._n_begun < min(self._n_issued, limit) and may_begin(self._study):
            training = self._begin(self._n_begun)
            self._n_begun += 1
            self._issue()
            trial = self._storage.get_trial(training.trial_id)
            if self._screen is None or not self._screen.skips(training.study, trial):
                self.n_running += 1
                return training
            training.study.tell(training.number, state=TrialState.PRUNED)
        return None

    def wind_up(self) -> Training | None:
        """Claim the trial that is trained to its end when no other is left, or prune all paused.

        No trial may be running.
        """
        while (last := choose_last(self._study, self._begun())) is not None:
            training = self._take_paused(last)
            if not training.is_at_end:
                return self._run(training)
            self._cut(training)
        for training in self._paused.values():
            self._prune_at_last(training)
        self._paused, self._paused_trials = {}, PausedTrials()
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
            if (not is_last or is_cut) and is_due(self._pruner, before, step):
                trial = self._storage.get_trial(training.trial_id)
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
        self._paused_trials.add(self._storage.get_trial(training.trial_id))

    def interrupt(self, training: Training) -> None:
        """Give back a trial; it is claimed before all others."""
        self.n_running -= 1
        self._wait(training)
        heapq.heappush(self._interrupted, (training.number, training))

    def _wait(self, training: Training) -> None:
        self._storage.set_trial_state_values(training.trial_id, TrialState.WAITING)
        training.life = Life()

    def _run(self, training: Training) -> Training:
        self._storage.set_trial_state_values(training.trial_id, TrialState.RUNNING)
        self.n_running += 1
        return training

    def _take_paused(self, trial: FrozenTrial) -> Training:
        self._paused_trials.remove(trial.number)
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

    def _begin(self, number: int) -> Training:
        # A study object per trial, as hpo.worker has it: Optuna caches the other trials in it.
        study = optuna.load_study(
            study_name=_NAME,
            storage=self._storage,
            sampler=self._trials.sampler(number),
            pruner=self._pruner,
        )
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id(study), number)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        trial = optuna.Trial(study, trial_id)
        self._space.suggest(trial)
        return Training(study, trial_id, number, self._trials.curve(trial), self._slowness())
