"""Whose trial is abandoned: each process times with its own clock how long a lease stands still.

No wall clock decides anything, so the clocks of hosts need not agree. A lease that has not changed
for its duration, as this process has seen it, is abandoned; so is at once one whose owner is a
dead process of this host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from commons.clocks import OwnTime
from commons.optuna_internals import trial_id
from commons.processes import is_alive, is_stopped, this_host
from hpo.attributes import BEAT, LEASE, stored


class Observer:
    """What one process knows of the leases in a study; of no use to other processes.

    Time counts only while this process runs: a step between two looks (or ticks) counts at most a
    third of the duration. Who was stopped together with the owners sees them move first.

    Args:
        duration_s: how long a lease stands still before it is abandoned.
        clock: seconds, monotonic.
    """

    def __init__(self, duration_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.duration_s = duration_s
        self.tick = OwnTime(max(duration_s, 0.0) / 3, clock)  # call it to show that we run
        self._seen: dict[int, tuple[str, float]] = {}  # mark, and when it was new, by trial

    def unchanged_s(self, trial: FrozenTrial) -> float:
        """Look at a RUNNING trial; return how long its lease has been seen unchanged."""
        now, current = self.tick(), mark(trial)
        known, since = self._seen.get(trial_id(trial), ("", now))
        if known != current:
            since = now
            self._seen[trial_id(trial)] = current, since
        return now - since

    def is_abandoned(self, trial: FrozenTrial) -> bool:
        """Look at a trial; tell whether it is RUNNING and its owner is gone."""
        if trial.state != TrialState.RUNNING:
            return False
        unchanged_s = self.unchanged_s(trial)
        return unchanged_s > self.duration_s or owner_is_dead(trial)

    def doubtful(
        self, trials: Iterable[FrozenTrial], before: frozenset[str] | None = None
    ) -> frozenset[str]:
        """Return the marks of RUNNING trials whose owner may be gone.

        Look until there is none: within the duration each of them has changed or is abandoned.

        Args:
            trials: of the study.
            before: what the last call returned; only those that have not changed since are left.
        """
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        marks = frozenset(
            mark(trial)
            for trial in running
            if self.unchanged_s(trial) <= self.duration_s and not _is_at_work(trial)
        )
        return marks if before is None else marks & before


def mark(trial: FrozenTrial) -> str:
    """Return a text that changes when the trial is claimed, and when its owner shows life."""
    attributes = trial.system_attrs
    # The start says which claim this is; it is compared with itself only.
    return repr(
        (trial_id(trial), trial.datetime_start, attributes.get(LEASE), attributes.get(BEAT))
    )


def owner_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the lease of a trial; empty: it has no owner that is known."""
    lease = stored(trial.system_attrs, LEASE, {})
    return lease if lease.get("id") else {}


def owner_is_dead(trial: FrozenTrial) -> bool:
    """Tell whether the owner is known to be dead: another host's process numbers prove nothing."""
    pid, born = _local_process(trial)
    return pid is not None and not is_alive(pid, born)


def _is_at_work(trial: FrozenTrial) -> bool:
    pid, born = _local_process(trial)
    return pid is not None and is_alive(pid, born) and not is_stopped(pid)


def _local_process(trial: FrozenTrial) -> tuple[int | None, int | None]:
    """Return the process number and the birth of an owner on this host."""
    lease = owner_of(trial)
    pid, born = lease.get("pid"), lease.get("born")
    if lease.get("host") != this_host() or type(pid) is not int or pid < 1:
        return None, None
    return pid, born if type(born) is int else None
