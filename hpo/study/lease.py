"""Leases: who works on a RUNNING trial, and until when that is believed.

The owner of a trial keeps pushing the expiry of its lease forward. A trial whose lease has
expired, or whose owner is a dead process of this host, goes back to WAITING with its number,
parameters and history, and whoever claims it next goes on from its checkpoint. The former owner
finds out at its next heartbeat or report and may no longer tell a result (fencing). A trial that
is released on purpose at a step of its choice is PAUSED: it waits until a policy picks it.

Clocks of different hosts should agree to well within `duration_s`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import trial_id
from commons.processes import is_alive, this_host
from hpo import signals
from hpo.attributes import FAIL_REASON, LEASE, PAUSED, RETRIES

_log = logging.getLogger(__name__)


class LeaseLostError(RuntimeError):
    """Another worker was given this trial."""


class Lease:
    """The right to work on one RUNNING trial; a context manager with a heartbeat thread.

    Leaving it by an exception (an interruption, a storage out of reach) gives the trial back.

    Args:
        storage: where the trial is.
        trial_id: Optuna's id of a trial that this process has just set to RUNNING.
        duration_s: a lease not renewed for so long has expired; renewed three times as often.

    Attributes:
        progress: set by whoever gets the trial a step further. A trial that is given back without
            that, not by Ctrl-C, counts as tried: something about it may end its workers.
    """

    def __init__(self, storage: BaseStorage, trial_id: int, duration_s: float) -> None:
        self._storage, self._trial_id, self._duration_s = storage, trial_id, duration_s
        self._id = uuid.uuid4().hex
        self.progress = False
        self._renewed = time.monotonic()
        self._lost, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="lease")

    def __enter__(self) -> Lease:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is not None:
            self.give_back()

    def check(self) -> None:
        """Raise if the trial is in other hands.

        The last heartbeat is believed as long as the lease cannot have expired since: a process
        that was stopped for longer looks again.

        Raises:
            LeaseLostError: this process must neither report nor tell any more.
        """
        if time.monotonic() - self._renewed > self._duration_s:
            self.renew()
        if self._lost.is_set():
            raise LeaseLostError("another worker has taken this trial over")

    def renew(self) -> None:
        """Push the expiry forward, or note that the lease is lost."""
        if self._is_mine():
            self._write()
        else:
            self._lost.set()

    def give_back(self, paused_at: int | None = None) -> None:
        """Let others go on with the trial, unless it is theirs already.

        Args:
            paused_at: the step at which a policy has paused it, to pick it up again later.
        """
        with signals.shield():
            if self._is_mine():
                if paused_at is not None:
                    self._storage.set_trial_system_attr(self._trial_id, PAUSED, paused_at)
                elif not self.progress and signals.received() != signal.SIGINT:
                    _count_retry(self._storage, self._storage.get_trial(self._trial_id))
                release(self._storage, self._trial_id)

    def tell(
        self, study: optuna.Study, trial: optuna.Trial, value: float | None, state: TrialState
    ) -> None:
        """Tell the result of the trial, unless it is in other hands: then it is dropped."""
        with signals.shield():
            if time.monotonic() - self._renewed > self._duration_s / 2:
                self.renew()
            elif not self._is_mine():
                self._lost.set()
            if self._lost.is_set():
                _log.warning("trial %d was taken over; its result is dropped", trial.number)
                return
            try:
                study.tell(trial, value, state=state)
            except UpdateFinishedTrialError:
                # Told, but the storage went out of reach before it could say so, and was asked
                # again.
                _log.info("trial %d is told already", trial.number)

    def _is_mine(self) -> bool:
        trial = self._storage.get_trial(self._trial_id)
        owner = (trial.system_attrs.get(LEASE) or {}).get("id")
        return trial.state == TrialState.RUNNING and owner == self._id

    def _write(self) -> None:
        lease: dict[str, Any] = {
            "id": self._id,
            "host": this_host(),
            "pid": os.getpid(),
            "expires": time.time() + self._duration_s,
        }
        self._storage.set_trial_system_attr(self._trial_id, LEASE, lease)
        self._renewed = time.monotonic()

    def _beat(self) -> None:
        while not self._stop.wait(self._duration_s / 3) and not self._lost.is_set():
            try:
                self.renew()
            except Exception as error:  # noqa: BLE001 - a storage out of reach may come back
                _log.warning("could not renew the lease: %s", error)


def release(storage: BaseStorage, trial_id: int) -> None:
    """Give a RUNNING trial back, to be gone on with by whoever claims it next."""
    try:
        # For a moment it is RUNNING and nobody's. Whoever took it for abandoned then would release
        # it too, and one of us perhaps under the hands of its next owner.
        storage.set_trial_system_attr(trial_id, LEASE, {"released": time.time()})
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
    except UpdateFinishedTrialError:
        pass  # it was told a moment ago


def was_started(trial: FrozenTrial) -> bool:
    """Tell whether anybody has worked on this trial."""
    return LEASE in trial.system_attrs or bool(trial.params)


def abandoned_trials(storage: BaseStorage, study_id: int, duration_s: float) -> list[FrozenTrial]:
    """Return the RUNNING trials whose owner is gone."""
    running = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if is_abandoned(trial, duration_s)]


def release_abandoned(
    storage: BaseStorage, study_id: int, duration_s: float, max_retries: int
) -> int:
    """Release the trials whose owner is gone; return how many. Call it under the study's lock.

    A trial abandoned more than `max_retries` times is failed: it seems to kill its workers.
    """
    abandoned = abandoned_trials(storage, study_id, duration_s)
    for trial in abandoned:
        _count_retry(storage, trial)
        if not give_up(storage, storage.get_trial(trial_id(trial)), max_retries):
            _log.info("trial %d was abandoned and is waiting again", trial.number)
            release(storage, trial_id(trial))
    return len(abandoned)


def give_up(storage: BaseStorage, trial: FrozenTrial, max_retries: int) -> bool:
    """Fail a trial that was retried more than `max_retries` times; return whether it was."""
    retries = trial.system_attrs.get(RETRIES, 0)
    if retries <= max_retries:
        return False
    reason = f"its worker died, or got nowhere, {retries} times"
    storage.set_trial_user_attr(trial_id(trial), FAIL_REASON, reason)
    storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
    return True


def _count_retry(storage: BaseStorage, trial: FrozenTrial) -> None:
    retries = trial.system_attrs.get(RETRIES, 0) + 1
    storage.set_trial_system_attr(trial_id(trial), RETRIES, retries)


def is_abandoned(trial: FrozenTrial, duration_s: float) -> bool:
    """Tell whether a trial is RUNNING and its owner is gone."""
    if trial.state != TrialState.RUNNING:
        return False
    lease: dict[str, Any] = trial.system_attrs.get(LEASE) or {}
    if "id" not in lease:  # claimed or given back a moment ago, or by one who died in that moment
        started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return time.time() > max(started, float(lease.get("released", 0))) + duration_s
    if time.time() > float(lease["expires"]):
        return True
    return lease["host"] == this_host() and not is_alive(int(lease["pid"]))
