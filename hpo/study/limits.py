"""Time limits: of a trial, between two reports of it (an epoch), and of the study.

A trial that reaches its limit fails with the reason and is not retried. When the time of the study
is over, running trials are given back and no other one begins. The time of a study is that in
which processes work on it under a limit; each counts with its own clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from commons.processes import adopt_orphans, descendants, kill
from hpo import signals
from hpo.attributes import PACE, TIME, stored
from hpo.study.guard import GRACE_S, Guard
from hpo.study.lease import Lease
from hpo.study.spent import Spent

_NOTE_S = 30.0
_ENOUGH = 10  # intervals between reports, before `auto` sets a limit
_LEAST_S, _FACTOR = 60.0, 10.0


class LimitError(BaseException):
    """A time limit is reached.

    Not an `Exception`: an application that catches its errors should not go on with the training.

    Attributes:
        reason: why the trial fails; None: it does not, the time of the study is over.
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason or "the time of the study is over")
        self.reason = reason


class StudyTime:
    """How long a study was worked on, as this process knows; without a limit nothing is counted.

    Args:
        storage: where the study is.
        study_id: Optuna's id of the study.
        limit_s: None: no limit.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_id: int,
        limit_s: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage, self._study_id, self._clock = storage, study_id, clock
        self.limit_s = limit_s
        self._begin = self._noted = clock()
        self._before_s = 0.0 if limit_s is None else self._stored_s()

    @property
    def left_s(self) -> float:
        """Seconds until no trial runs any more; infinite without a limit."""
        if self.limit_s is None:
            return math.inf
        return self.limit_s - self._before_s - (self._clock() - self._begin)

    @property
    def is_over(self) -> bool:
        """Whether no trial may begin or go on."""
        return self.left_s <= 0

    def note(self, every_s: float = 0.0) -> None:
        """Store the time, unless that was done in the last `every_s` seconds."""
        if self.limit_s is None or self._clock() - self._noted < every_s:
            return
        self._noted = self._clock()
        stored_s, spent_s = self._stored_s(), self.limit_s - self.left_s
        self._before_s += max(0.0, stored_s - spent_s)  # another process has begun before
        spent_s = max(stored_s, spent_s)
        self._storage.set_study_user_attr(self._study_id, TIME, round(spent_s, 3))

    def _stored_s(self) -> float:
        return float(stored(self._storage.get_study_user_attrs(self._study_id), TIME, 0.0))


@dataclass
class Limits:
    """The limits under which a process works, in seconds; a context manager.

    Attributes:
        trial_timeout: inside the application, over all processes that have worked on a trial.
        epoch_timeout: between two reports; "auto": from the slowest ones of the study.
        time: of the study; None: it has no limit.
        key: how the user names a setting.
        spent: what the study has used of its budget; None: it has none.
        is_alone: whether this process trains alone. Other ranks would not see an exception, so
            without this a trial at its limit ends with its processes.
    """

    trial_timeout: float | None = None
    epoch_timeout: float | str | None = None
    time: StudyTime | None = None
    key: Callable[[str], str] = str
    is_alone: bool = True
    spent: Spent | None = None
    guard: Guard = field(default_factory=Guard)

    def __enter__(self) -> Limits:
        if self.are_set:
            adopt_orphans()
        return self

    def __exit__(self, *_: object) -> None:
        self.guard.close()
        self.note()

    @property
    def are_set(self) -> bool:
        """Whether there is any."""
        return bool(self.trial_timeout or self.epoch_timeout) or self.study_left_s < math.inf

    @property
    def study_left_s(self) -> float:
        """Seconds until the time of the study is over."""
        return math.inf if self.time is None else self.time.left_s

    def note(self, every_s: float = 0.0) -> None:
        """Do as `StudyTime.note`."""
        if self.time is not None:
            self.time.note(every_s)


class Watch:
    """The limits of one trial while this process works on it.

    Attributes:
        reached: the limit that has ended the trial.
    """

    def __init__(
        self, limits: Limits, lease: Lease, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits, self._lease, self._clock = limits, lease, clock
        self.reached: LimitError | None = None
        self._pace = self._known_pace = (0, 0.0)
        self._before_s = self._begin = self._last = 0.0
        self._polite = self._is_on = False

    @contextmanager
    def over(self, trials: Callable[[], list[FrozenTrial]], before_s: float) -> Iterator[None]:
        """Enforce the limits meanwhile.

        Args:
            trials: reads those of the study.
            before_s: what other processes have spent on this trial.
        """
        if not self._limits.are_set:
            yield
            return
        if self._limits.epoch_timeout == "auto":
            self._known_pace = _pace_of(trials())
        others = set(descendants())
        self._before_s, self._begin = before_s, self._clock()
        self._last, self._is_on = self._begin, True
        try:
            with signals.limited(self._reach) as can_be_interrupted:
                self._polite = can_be_interrupted and self._limits.is_alone
                self._arm()
                yield
        finally:
            self._is_on = False
            self._limits.guard.disarm()
            self._lease.keep_for(math.inf)
            if self.reached is not None:
                kill(set(descendants()) - others - self._limits.guard.pids)

    def progress(self) -> None:
        """Note a report: the time of an epoch begins anew."""
        if self.reached is not None:
            raise self.reached
        if not self._is_on:
            return
        n, slowest = self._pace
        now = self._clock()
        self._pace, self._last = (n + 1, max(slowest, now - self._last)), now
        self._limits.note(_NOTE_S)
        self._arm()

    @property
    def pace(self) -> list[float] | None:
        """How many intervals between reports there were, and the slowest; None: nobody asks."""
        return [*self._pace] if self._limits.epoch_timeout == "auto" else None

    def _reach(self) -> LimitError | None:
        left_s, reason = self._nearest()
        if left_s > 0:  # there was a report in the meantime
            return None
        self.reached = LimitError(reason)
        return self.reached

    def _arm(self) -> None:
        left_s, reason = self._nearest()
        spent_s = self._before_s + self._clock() - self._begin
        self._lease.keep_for(left_s + 3 * GRACE_S)
        if left_s < math.inf:
            self._limits.guard.arm(self._lease, left_s, reason, spent_s, self._polite)

    def _nearest(self) -> tuple[float, str | None]:
        """Return the seconds until the first limit, and the reason for which the trial fails."""
        limits, now = self._limits, self._clock()
        nearest: list[tuple[float, str | None]] = [(limits.study_left_s, None)]
        if limits.trial_timeout is not None:
            limit_s = limits.trial_timeout
            reason = (
                f"not finished after {limit_s:g} s ({limits.key('trial_timeout')}={limit_s:g})"
            )
            nearest.append((limit_s - self._before_s - (now - self._begin), reason))
        epoch_s = self._epoch_s()
        if epoch_s is not None:
            setting = f"{limits.key('epoch_timeout')}={limits.epoch_timeout}"
            reason = f"no report for {epoch_s:g} s ({setting})"
            nearest.append((epoch_s - (now - self._last), reason))
        return min(nearest, key=lambda limit: limit[0])

    def _epoch_s(self) -> float | None:
        if self._limits.epoch_timeout != "auto":
            return self._limits.epoch_timeout  # type: ignore[return-value] # checked
        n = self._pace[0] + self._known_pace[0]
        slowest = max(self._pace[1], self._known_pace[1])
        return max(_LEAST_S, _FACTOR * slowest) if n >= _ENOUGH else None


def _pace_of(trials: list[FrozenTrial]) -> tuple[int, float]:
    noted = [stored(trial.system_attrs, PACE) for trial in trials]
    pairs = [pair for pair in noted if pair is not None]
    return int(sum(n for n, _ in pairs)), max((slowest for _, slowest in pairs), default=0.0)
