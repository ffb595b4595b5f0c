"""Leases: which process works on a RUNNING trial.

The owner of a trial keeps pushing a counter forward. A trial whose counter stands still, or whose
owner is a dead process of this host (see `hpo.study.observation`), becomes WAITING with its
number, parameters and history, and the next worker that claims it resumes from its checkpoint. The
former owner notices at its next heartbeat or report and writes nothing more about the trial
(fencing).
A trial that a policy releases at some step is PAUSED: it waits until the policy chooses it.
A heartbeat also says how long the owner has had the trial, and how long ago it has reported: what
is lost when it dies, to within a third of the lease.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import trial_id
from commons.processes import born, this_host
from hpo import signals
from hpo.attributes import BEAT, FAIL_REASON, LEASE, LOSSES, PAUSED, RETRIES, SECONDS, stored
from hpo.study.observation import Observer, owner_of

_log = logging.getLogger(__name__)


class LeaseLostError(BaseException):
    """Another worker has this trial.

    Not an `Exception`: an application that catches its errors should not go on with the training.
    """


class Lease:
    """The right to work on one RUNNING trial; a context manager with a heartbeat thread.

    An exception (an interruption, an unreachable storage) that leaves it gives the trial back.

    Args:
        storage: where the trial is.
        trial_id: Optuna's id of a trial that this process has just set to RUNNING.
        duration_s: how long others see it stand still before they take the trial over; each third
            of it the lease is renewed.
        observer: what this process knows of other leases; it ticks with the heartbeat.
        worker: its name in the study, if it has one.

    Attributes:
        progress: whether the trial has reached a new step. A trial that is given back without
            that, except by Ctrl-C, counts as retried: it may be the cause that ends its workers.
        after_beat: called by the thread of the heartbeat while the lease is held.
    """

    def __init__(
        self,
        storage: BaseStorage,
        trial_id: int,
        duration_s: float,
        observer: Observer | None = None,
        worker: str = "",
    ) -> None:
        self._worker = worker
        self._storage, self._trial_id, self._duration_s = storage, trial_id, duration_s
        self._observer = observer or Observer(duration_s)
        self._id, self._beats = uuid.uuid4().hex, 0
        self.progress = False
        self.after_beat: Callable[[], None] = lambda: None
        self._begin = self._advanced = _now()
        self._renewed, self._keep_until = _now(), math.inf
        self._lost, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="lease")

    def __enter__(self) -> Lease:
        owner: dict[str, Any] = {
            "id": self._id,
            "host": this_host(),
            "pid": os.getpid(),
            "born": born(os.getpid()),
            "worker": self._worker,
        }
        self._renewed = self._begin = self._advanced = _now()
        self._storage.set_trial_system_attr(self._trial_id, LEASE, owner)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is not None:
            self.give_back()

    def check(self) -> None:
        """Raise LeaseLostError if another worker has the trial.

        The storage is only read if others may have seen the lease stand still since the last
        heartbeat, after this process was stopped.
        """
        if self._is_old():
            self.renew()
        if self._lost.is_set():
            raise LeaseLostError("another worker has taken this trial over")

    def is_held(self) -> bool:
        """Read whether this process still has the trial; if so, it keeps it for a while."""
        if self._is_old():
            self.renew()
        elif not self._is_mine():
            self._lost.set()
        return not self._lost.is_set()

    def renew(self) -> None:
        """Push the counter forward, or note that the lease is lost."""
        if not self._is_mine():
            self._lost.set()
            return
        self._renewed = _now()
        self._beats += 1
        # An attribute of its own: a heartbeat that comes late, when the trial was given to another
        # process, does not replace the lease of that one.
        held_s, idle_s = self._renewed - self._begin, self._renewed - self._advanced
        beat: Any = [self._id, self._beats, round(held_s, 1), round(idle_s, 1)]
        self._storage.set_trial_system_attr(self._trial_id, BEAT, beat)

    def advance(self) -> None:
        """Note that the trial has reached a new step."""
        self.progress, self._advanced = True, _now()

    @property
    def names(self) -> tuple[int, str]:
        """The trial and the id of this lease, for `end_for_owner`."""
        return self._trial_id, self._id

    def packed_storage(self) -> bytes:
        """Return the storage as a pickle; empty: only this process has it."""
        try:
            return pickle.dumps(self._storage)
        except Exception:  # noqa: BLE001 - each storage has its own
            return b""

    def keep_for(self, seconds: float) -> None:
        """Limit how long the lease is renewed: a training that hangs then loses its trial."""
        self._keep_until = _now() + seconds

    def fence(self, storage: BaseStorage) -> BaseStorage:
        """Return the storage; its `set_trial_...` raise LeaseLostError where the lease is lost."""
        return cast(BaseStorage, _Fenced(storage, self))

    def give_back(self, paused_at: int | None = None) -> None:
        """Do as `let_go`, if this process still has the trial."""
        with signals.shield():
            if self._is_mine():
                self.let_go(paused_at)

    def let_go(self, paused_at: int | None = None, *, excused: bool = False) -> None:
        """Release the trial, which this process must still have.

        A policy has paused it at the step `paused_at`; None: it was interrupted, which may count
        as a retry if it is not `excused`.
        """
        if paused_at is not None:
            self._storage.set_trial_system_attr(self._trial_id, PAUSED, paused_at)
        elif not (excused or self.progress or signals.received() == signal.SIGINT):
            _count_retry(self._storage, self._storage.get_trial(self._trial_id))
        release(self._storage, self._trial_id)

    def _is_mine(self) -> bool:
        trial = self._storage.get_trial(self._trial_id)
        return trial.state == TrialState.RUNNING and owner_of(trial).get("id") == self._id

    def _is_old(self) -> bool:
        return _now() - self._renewed > self._duration_s / 2

    def _beat(self) -> None:
        while not self._stop.wait(self._duration_s / 3) and not self._lost.is_set():
            self._observer.tick()
            if _now() > self._keep_until:
                continue
            try:
                self.renew()
                if not self._lost.is_set():
                    self.after_beat()
            except (LeaseLostError, UpdateFinishedTrialError):  # or it has just ended
                return
            except Exception as error:  # noqa: BLE001 - a storage out of reach may come back
                _log.warning("could not renew the lease: %s", error)


def _now() -> float:
    """Return the seconds since the boot, those included in which the machine was suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class _Fenced:
    def __init__(self, storage: BaseStorage, lease: Lease) -> None:
        self._storage, self._lease = storage, lease

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        return partial(self._write, method) if name.startswith("set_trial_") else method

    def _write(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self._lease.check()
        try:
            return operation(*arguments, **options)
        except UpdateFinishedTrialError as error:
            raise LeaseLostError("another worker has finished this trial") from error


def release(storage: BaseStorage, trial_id: int) -> None:
    """Give a RUNNING trial back; the worker that claims it next resumes it."""
    try:
        # For a moment it is RUNNING without an owner. A worker that took it for abandoned would
        # release it too, perhaps when its next owner has it already.
        storage.set_trial_system_attr(trial_id, LEASE, {"released": uuid.uuid4().hex})
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
    except UpdateFinishedTrialError:
        pass  # it was finished a moment ago


def end_for_owner(
    storage: BaseStorage, trial_id: int, lease_id: str, reason: str | None, seconds: float
) -> None:
    """Write for the owner of a lease, which has hung, that its trial fails with a reason.

    None: give it back, without counting a retry. `seconds` were spent on it. If another process
    has the trial, nothing is written.
    """
    trial = storage.get_trial(trial_id)
    if trial.state != TrialState.RUNNING or owner_of(trial).get("id") != lease_id:
        return
    try:
        storage.set_trial_user_attr(trial_id, SECONDS, seconds)
        if reason is None:
            release(storage, trial_id)
        else:
            storage.set_trial_user_attr(trial_id, FAIL_REASON, reason)
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass  # it was finished a moment ago


def was_started(trial: FrozenTrial) -> bool:
    """Tell whether a worker has had this trial."""
    return LEASE in trial.system_attrs or bool(trial.params)


def abandoned_trials(storage: BaseStorage, study_id: int, observer: Observer) -> list[FrozenTrial]:
    """Look at the RUNNING trials; return those whose owner is gone."""
    running = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if observer.is_abandoned(trial)]


def release_abandoned(
    storage: BaseStorage, study_id: int, observer: Observer, max_retries: int
) -> int:
    """Release or fail the trials whose owner is gone; return how many. Hold the study's lock."""
    abandoned = abandoned_trials(storage, study_id, observer)
    for trial in abandoned:
        _count_retry(storage, trial)
        _note_loss(storage, trial)
        if not give_up(storage, storage.get_trial(trial_id(trial)), max_retries):
            _log.info("trial %d was abandoned and is waiting again", trial.number)
            release(storage, trial_id(trial))
    return len(abandoned)


def give_up(storage: BaseStorage, trial: FrozenTrial, max_retries: int) -> bool:
    """Fail a trial that was retried more than `max_retries` times; return whether it was."""
    retries = stored(trial.system_attrs, RETRIES, 0)
    if retries <= max_retries:
        return False
    reason = f"its worker died, or made no progress, {retries} times"
    storage.set_trial_user_attr(trial_id(trial), FAIL_REASON, reason)
    storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
    return True


def _count_retry(storage: BaseStorage, trial: FrozenTrial) -> None:
    retries = stored(trial.system_attrs, RETRIES, 0) + 1
    storage.set_trial_system_attr(trial_id(trial), RETRIES, retries)


def _note_loss(storage: BaseStorage, trial: FrozenTrial) -> None:
    """Add what is known of a process that died on a trial: how long it lived, what it lost."""
    owner, beat = owner_of(trial), stored(trial.system_attrs, BEAT, [])
    held_s, lost_s = beat[2:] if beat[2:] and beat[0] == owner.get("id") else (0.0, 0.0)
    begin = trial.datetime_start.timestamp() if trial.datetime_start is not None else 0.0
    loss = {"worker": str(owner.get("worker") or ""), "until": round(begin + held_s, 1)}
    losses = [*stored(trial.user_attrs, LOSSES, []), {**loss, "held_s": held_s, "lost_s": lost_s}]
    storage.set_trial_user_attr(trial_id(trial), LOSSES, losses)
