"""Tickets: which trial a worker of a study takes next.

The study has `n_trials` WAITING trials from the start and a worker claims one by setting it to
RUNNING, which every Optuna storage permits to one process only. So the total is exact for any
number of workers, and an interrupted trial keeps its number. Interrupted trials come first, then
a paused one that the policy chooses, then new ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from commons.locks import FileLock
from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import PAUSED
from hpo.search.pausing import PausingPruner, choose_last, choose_paused, is_paused, may_begin
from hpo.storage.patient import PatientStorage
from hpo.study.lease import (
    Lease,
    abandoned_trials,
    give_up,
    release_abandoned,
    was_started,
)
from hpo.study.limits import StudyTime
from hpo.study.observation import Observer


def study_lock(folder: Path) -> FileLock:
    """Return the lock for creating tickets, releasing abandoned trials and taking paused ones."""
    folder.mkdir(0o700, parents=True, exist_ok=True)  # workers run what lies in it
    return FileLock(folder / "tickets")


def issue_tickets(study: optuna.Study, n_trials: int, *, lock: FileLock) -> None:
    """Create the tickets that a budget of `n_trials` still lacks, holding the study's lock."""
    for number in range(len(study.get_trials(deepcopy=False)), n_trials):
        # Not `enqueue_trial({})`: its mark "fixed parameters" makes GridSampler choose no point.
        study.add_trial(create_trial(state=TrialState.WAITING))
        if number % 50 == 0:  # thousands of them take longer than a lock is valid
            lock.refresh()


@dataclass
class Tickets:
    """The tickets of a study; the arguments are those of `hpo.optimize`.

    The folder holds the lock of the study. A `PausingPruner` is asked about paused trials.
    """

    storage: BaseStorage
    study_name: str
    _: KW_ONLY
    folder: Path
    n_trials: int
    pruner: BasePruner | None
    lease_s: float
    max_retries: int
    timeout: float | None = None

    def __post_init__(self) -> None:
        self._study_id = self.storage.get_study_id_from_name(self.study_name)
        self.observer = Observer(self.lease_s)
        self.time = StudyTime(self.storage, self._study_id, self.timeout)

    @contextmanager
    def claimed(
        self, trials: list[FrozenTrial] | None = None
    ) -> Iterator[tuple[FrozenTrial, Lease] | None]:
        """Claim a trial as `take` does, and hold its lease.

        If only running trials are left, it waits until their owners have shown life, for the
        duration of a lease at most: one that has not is taken over.
        """
        doubtful: frozenset[str] | None = None
        with ExitStack() as stack:
            while True:
                # An interruption waits until the claim has a lease, which gives the trial back.
                with signals.shield():
                    claim, trial = None, self.take(trials)
                    if trial is not None:
                        lease = Lease(self.storage, trial_id(trial), self.lease_s, self.observer)
                        claim = trial, stack.enter_context(lease)
                        break
                    trials = self.trials()
                    doubtful = self.observer.doubtful(trials, doubtful)
                if not doubtful or self.time.is_over:
                    break
                time.sleep(min(1.0, self.lease_s / 10))
            yield claim

    def take(self, trials: list[FrozenTrial] | None = None) -> FrozenTrial | None:
        """Claim a trial of the budget's `trials`, read if None.

        None: no trial is left, or the time of the study is over.
        """
        if self.time.is_over:
            return None
        trials = self.trials() if trials is None else trials
        if any([*map(self.observer.is_abandoned, trials)]) and self.release_abandoned():
            trials = self.trials()
        while waiting := [trial for trial in trials if trial.state == TrialState.WAITING]:
            chosen = self._in_order(waiting)
            if not chosen and not self._wind_up():
                return None
            for trial in chosen:
                if self._claim(trial):
                    return self.storage.get_trial(trial_id(trial))
            trials = self.trials()
        return None

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials of the budget, in these states if any are given."""
        read = self.storage.get_all_trials
        trials = read(self._study_id, deepcopy=False, states=states or None)
        return [trial for trial in trials if trial.number < self.n_trials]

    def release_abandoned(self) -> int:
        """Give back the trials of workers that are gone; return how many."""
        place = self.storage, self._study_id
        if self._may_be_behind() or not abandoned_trials(*place, self.observer):
            return 0
        with study_lock(self.folder):
            return release_abandoned(*place, self.observer, self.max_retries)

    def _may_be_behind(self) -> bool:
        # While the storage was unreachable, no worker could renew its lease.
        storage = self.storage
        back_since = storage.back_since if isinstance(storage, PatientStorage) else None
        return back_since is not None and time.monotonic() - back_since < self.lease_s

    def _in_order(self, waiting: list[FrozenTrial]) -> list[FrozenTrial]:
        paused = [trial for trial in waiting if is_paused(trial)]
        interrupted = [t for t in waiting if was_started(t) and not is_paused(t)]
        new = [trial for trial in waiting if not was_started(trial)]
        if new and not self._may_begin():
            new = []
        if interrupted or not paused:
            # If another worker claims the first new one earlier, a random other one is tried:
            # at the second these workers would collide again, and each attempt is a write.
            return interrupted + new[:1] + random.SystemRandom().sample(new[1:], len(new[1:]))
        chosen = choose_paused(self._study(), paused)
        return new if chosen is None else [chosen]

    def _may_begin(self) -> bool:
        # Other pruners do not decide this, and the study need not be loaded for them.
        return not isinstance(self.pruner, PausingPruner) or may_begin(self._study())

    def _study(self) -> optuna.Study:
        return optuna.load_study(
            study_name=self.study_name, storage=self.storage, pruner=self.pruner
        )

    def _claim(self, trial: FrozenTrial) -> bool:
        # Optuna's compare-and-set grants a trial to each former owner, even if another worker was
        # faster; so trials that were started before are claimed under the lock.
        if not was_started(trial):
            return self._set_running(trial)
        with study_lock(self.folder):
            now = self.storage.get_trial(trial_id(trial))
            if now.state != TrialState.WAITING or give_up(self.storage, now, self.max_retries):
                return False
            return self._set_running(trial)

    def _set_running(self, trial: FrozenTrial) -> bool:
        try:
            return self.storage.set_trial_state_values(trial_id(trial), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _wind_up(self) -> bool:
        """End the waiting trials when none goes on; return whether the study has changed."""
        with study_lock(self.folder):
            if self.trials(TrialState.RUNNING):
                return False  # it may make others promotable; then its worker asks again
            waiting = self.trials(TrialState.WAITING)
            last = choose_last(self._study(), self.trials())
            if last is not None:
                self.storage.set_trial_system_attr(trial_id(last), PAUSED, None)
                return True
            for trial in waiting:
                reached = trial.intermediate_values
                values = [reached[max(reached)]] if reached else None
                self.storage.set_trial_state_values(trial_id(trial), TrialState.PRUNED, values)
            return bool(waiting)
