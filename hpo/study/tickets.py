"""Tickets: which trial a worker of a study takes next.

A ticket is a WAITING trial. A worker claims one by setting it to RUNNING, which every Optuna
storage permits to one process only, and tickets are created under the lock of the study. So the
total is exact for any number of workers, and an interrupted trial keeps its number. Interrupted
trials come first, then a paused one that the policy chooses, then new ones.

Only a portion of the tickets exists at a time, about twice as many as trials that run: each look
at a study reads its unfinished trials, and some storages send all of them each time. While the
budget has more, there is a new one in store, so policies see that trials are still to come.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import PAUSED, RETRIES, stored
from hpo.budgets import Budget
from hpo.search import pausing
from hpo.search.objectives import load
from hpo.storage.patient import PatientStorage
from hpo.study.lease import Lease, give_up, release_abandoned, was_started
from hpo.study.limits import StudyTime
from hpo.study.observation import Observer
from hpo.study.portions import FEW, add_trials, issue_more, n_lacking, study_lock
from hpo.study.record import WorkerRecord
from hpo.study.spent import Spent
from hpo.view import View

_VERY_FEW = 0.25  # of a portion


@dataclass
class Tickets:
    """The tickets of a study; the arguments are those of `hpo.optimize`.

    The folder holds the lock of the study. A `PausingPruner` is asked about paused trials.

    Attributes:
        n_added: finished trials that the study began with; they have the first numbers and are
            not among `n_trials`.
        max_failures: if more of the budget's trials have failed, none is claimed.
        is_full: tells whether a sampler that visits all points of a space knows no other one;
            then no ticket is created. If given, they are created one by one.
    """

    storage: BaseStorage
    study_name: str
    _: KW_ONLY
    folder: Path
    n_trials: int
    n_added: int = 0
    pruner: BasePruner | None
    lease_s: float
    max_retries: int
    timeout: float | None = None
    max_failures: float = math.inf
    is_full: Callable[[], bool] | None = None
    budget: Budget = field(default_factory=Budget)
    reported: int = 0  # the objective whose values trials report

    def __post_init__(self) -> None:
        self._study_id = self.storage.get_study_id_from_name(self.study_name)
        self.observer = Observer(self.lease_s)
        self.time = StudyTime(self.storage, self._study_id, self.timeout)
        self.spent = Spent(self.storage, self._study_id, self.budget)
        self._worker = ""  # the name of this process in the study
        self._view = View(self.storage, self._study_id)
        self._n_finished: Counter[TrialState] = Counter()

    @contextmanager
    def claimed(self) -> Iterator[tuple[FrozenTrial, Lease] | None]:
        """Claim a trial as `take` does, and hold its lease.

        If only running trials are left, it waits until their owners have shown life, for the
        duration of a lease at most: one that has not is taken over.
        """
        doubtful: frozenset[str] | None = None
        with ExitStack() as stack:
            while True:
                # An interruption waits until the claim has a lease, which gives the trial back.
                with signals.shield():
                    claim, trial = None, self.take()
                    if trial is not None:
                        place = self.storage, trial_id(trial), self.lease_s
                        lease = Lease(*place, self.observer, self._worker)
                        claim = trial, stack.enter_context(lease)
                        break
                    doubtful = self.observer.doubtful(self.look(), doubtful)
                if not doubtful or self.is_over or self.too_many_failures:
                    break
                time.sleep(min(1.0, self.lease_s / 10))
            yield claim

    def enter(self, record: WorkerRecord) -> None:
        """Work as the worker of a record."""
        self._worker = record.name
        self.spent.own(record.name, record.now)

    @property
    def is_over(self) -> bool:
        """Whether no trial may begin, as far as is known."""
        return self.time.is_over or self.spent.known is not None

    def take(self) -> FrozenTrial | None:
        """Claim a trial.

        None: no trial is left, too many have failed, the time of the study is over, or another
        budget is reached.
        """
        if self.time.is_over or self.spent.reached() is not None:
            return None
        self.release_abandoned()
        while not self.too_many_failures and (waiting := self._waiting()):
            own = [trial for trial in waiting if pausing.for_this_worker(self.pruner, trial)]
            chosen = self._in_order(own) if own else []
            if not chosen and not self._wind_up():
                return None
            for trial in chosen:
                if self._claim(trial):
                    return self.storage.get_trial(trial_id(trial))
            self.look()
        return None

    def look(self) -> list[FrozenTrial]:
        """Read the study; return the budget's trials that wait or run, without those to come."""
        ended = self._view.look()
        self._n_finished.update(trial.state for trial in self._own(ended))
        return self._unfinished

    @property
    def n_finished(self) -> int:
        """Trials of the budget that had finished at the last look."""
        return self._n_finished.total()

    @property
    def n_waiting(self) -> int:
        """Trials of the budget that nobody worked on at the last look, those to come included."""
        running = sum(trial.state == TrialState.RUNNING for trial in self._unfinished)
        return self.n_trials - self.n_finished - running

    def n_left(self) -> int:
        """Look; return how many trials of the budget are not finished, those to come included."""
        self.look()
        return self.n_trials - self.n_finished

    def marks(self) -> tuple[int, list[tuple[int, int, int]]]:
        """Look; return what changes when workers make progress: new tickets are none."""
        unfinished = [
            (trial.number, len(trial.intermediate_values), stored(trial.system_attrs, RETRIES, 0))
            for trial in self.look()
        ]
        return self.n_finished, [mark for mark in unfinished if any(mark[1:])]

    @property
    def too_many_failures(self) -> bool:
        """Whether more trials of the budget have failed, at the last look, than may."""
        return self._n_finished[TrialState.FAIL] > self.max_failures

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials of the budget, in these states if any are given."""
        read = self.storage.get_all_trials
        return self._own(read(self._study_id, deepcopy=False, states=states or None))

    def added(self) -> list[FrozenTrial]:
        """Return the finished trials that the study began with."""
        trials = self.storage.get_all_trials(self._study_id, deepcopy=False)
        return [trial for trial in trials if trial.number < self.n_added]

    def top_up(self) -> int:
        """Create tickets if few are left; return how many.

        While another worker has the lock, it is waited for only if very few are left.
        """
        study, lock = self._study(), study_lock(self.folder)
        with lock.unless(lambda: not self._n_lacking(_VERY_FEW, self.look())) as held:
            if not held:
                return 0
            unfinished = self.look()
            return issue_more(study, unfinished, self._n_to_come, lock=lock, is_full=self.is_full)

    def release_abandoned(self) -> int:
        """Look at the study and give back the trials of workers that are gone; return how many."""
        self.look()
        gone = [*map(self.observer.is_abandoned, self._view.unfinished)]
        if not any(gone) or self._may_be_behind():
            return 0
        with study_lock(self.folder):
            place = self.storage, self._study_id
            n = release_abandoned(*place, self.observer, self.max_retries)
        self.look()
        return n

    @property
    def _unfinished(self) -> list[FrozenTrial]:
        return self._own(self._view.unfinished)

    @property
    def _n_to_come(self) -> int:
        return self._end - self._view.n_trials

    @property
    def _end(self) -> int:
        return self.n_added + self.n_trials

    def _own(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        return [trial for trial in trials if self.n_added <= trial.number < self._end]

    def _waiting(self) -> list[FrozenTrial]:
        """Return the trials that may be claimed; create tickets before if few are left."""
        if self._n_lacking(FEW, self._unfinished) and self.top_up():
            self.look()
        return [trial for trial in self._unfinished if trial.state == TrialState.WAITING]

    def _n_lacking(self, part: float, unfinished: list[FrozenTrial]) -> int:
        return n_lacking(unfinished, self._n_to_come, self.is_full, part)

    def _may_be_behind(self) -> bool:
        # While the storage was unreachable, no worker could renew its lease.
        storage = self.storage
        back_since = storage.back_since if isinstance(storage, PatientStorage) else None
        return back_since is not None and time.monotonic() - back_since < self.lease_s

    def _in_order(self, waiting: list[FrozenTrial]) -> list[FrozenTrial]:
        paused = [trial for trial in waiting if pausing.is_paused(trial)]
        interrupted = [t for t in waiting if was_started(t) and not pausing.is_paused(t)]
        new = [trial for trial in waiting if not was_started(trial)]
        if new and not self._may_begin():
            new = []
        if interrupted or not paused:
            # If another worker claims the first new one earlier, a random other one is tried:
            # at the second these workers would collide again, and each attempt is a write.
            return interrupted + new[:1] + random.SystemRandom().sample(new[1:], len(new[1:]))
        chosen = pausing.choose_paused(self._study(), paused)
        return new if chosen is None else [chosen]

    def _may_begin(self) -> bool:
        # Other pruners do not decide this, and the study need not be loaded for them.
        return not isinstance(self.pruner, pausing.PausingPruner) or pausing.may_begin(
            self._study()
        )

    def _study(self) -> optuna.Study:
        return load(self.study_name, self.storage, None, self.pruner, self.reported)

    def _goes_on_elsewhere(self, unfinished: list[FrozenTrial]) -> bool:
        """Tell whether trials go on that only other workers may take."""
        others = [trial for trial in unfinished if not pausing.for_this_worker(self.pruner, trial)]
        if not others or not isinstance(self.pruner, pausing.PausingPruner):
            return False
        study = self._study()
        study.pruner = self.pruner.of_all_workers()
        begun = [trial for trial in others if was_started(trial)]
        return pausing.n_startable(study, begun, len(others) - len(begun)) > 0

    def _claim(self, trial: FrozenTrial) -> bool:
        # Optuna's compare-and-set grants a trial to each former owner, even if another worker was
        # faster; so trials that were started before are claimed under the lock.
        if not was_started(trial) and not pausing.limits_beginnings(self.pruner):
            return self._set_running(trial)
        with study_lock(self.folder):
            now = self.storage.get_trial(trial_id(trial))
            if now.state != TrialState.WAITING or give_up(self.storage, now, self.max_retries):
                return False
            return (was_started(now) or pausing.begin(self._study(), now)) and self._set_running(
                now
            )

    def _set_running(self, trial: FrozenTrial) -> bool:
        try:
            return self.storage.set_trial_state_values(trial_id(trial), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _wind_up(self) -> bool:
        """End the waiting trials when none goes on; return whether the study has changed."""
        with study_lock(self.folder) as lock:
            unfinished = self.look()
            if any(trial.state == TrialState.RUNNING for trial in unfinished):
                return False  # it may make others promotable; then its worker asks again
            if self._goes_on_elsewhere(unfinished):
                return False
            last = pausing.choose_last(self._study(), self.trials())
            if last is not None:
                self.storage.set_trial_system_attr(trial_id(last), PAUSED, None)
                return True
            for trial in unfinished:
                reached = trial.intermediate_values
                values = [reached[max(reached)]] if reached else None
                self.storage.set_trial_state_values(trial_id(trial), TrialState.PRUNED, values)
            add_trials(self._study(), self._n_to_come, TrialState.PRUNED, lock)
            return bool(unfinished)
