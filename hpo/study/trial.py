"""A trial under a lease, as the worker and the training code use it."""

from __future__ import annotations

import logging
import math
import operator
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from commons.optuna_internals import stoppable, trial_id
from hpo import signals
from hpo.attributes import CODE, COST, DIVERGED, FAIL_REASON, FIGURES, PACE, SECONDS, stored
from hpo.ranks import Group
from hpo.search.pausing import decide
from hpo.search.rungs import sign
from hpo.storage.batching import batched
from hpo.storage.folders import FolderTakenError, StudyFolder
from hpo.storage.passwords import hide, stored_passwords
from hpo.study import meter
from hpo.study.lease import Lease, LeaseLostError
from hpo.study.life import Life, Outcome, as_number
from hpo.study.limits import LimitError, Limits, Watch
from hpo.study.provenance import added

_log = logging.getLogger(__name__)


class LeasedTrial(optuna.Trial):
    """Optuna's trial, fenced by a lease, which may also be paused.

    All writes about the trial (parameters, values, attributes, its end) go through this class and
    the lease of this process: after a lost lease nothing is written. A trial that was resumed from
    a checkpoint may repeat a step that is already stored: nothing is stored then and the pruner is
    not asked.

    Attributes:
        home: the folder of the study; None: there is none.
        life: what has become of the trial so far.
        seconds: wall time inside the application.
        reporting_s: time spent storing values and deciding.
        n_reports: values stored by this process.
    """

    def __init__(
        self,
        study: optuna.Study,
        trial_id: int,
        lease: Lease,
        group: Group | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(study, trial_id)
        self.storage = lease.fence(self.storage)
        self._lease, self._group = lease, group or Group()
        self._watch = Watch(limits or Limits(), lease)
        stored = self.storage.get_trial(trial_id).intermediate_values
        self._steps = {*stored}
        self._before = frozenset(self._steps)
        self._begin, self._repeated = time.monotonic(), dict[str, float]()
        self._used: dict[str, float] = {}
        self._new = False
        self.home: StudyFolder | None = None
        self.life = Life()
        self.seconds, self.reporting_s, self.n_reports = 0.0, 0.0, 0

    def report(self, value: float, step: int) -> None:
        """Store the value reached after `step` steps, at least 0, if it is finite.

        If it is not, the trial has diverged and should end. Raises the errors of
        `hpo.report_value`.
        """
        number, step = as_number(value), _as_step(step)
        if number is None:
            raise TypeError(f"a reported value must be a number, got {value!r}")
        self._lease.check()
        self._watch.progress()
        self._new = self.life.report(number, step) and step not in self._steps
        if self._new:
            super().report(number, step)
            self._steps.add(step)
            self.n_reports += 1
            self._lease.advance()
        elif step in self._before:
            self._repeated = {"repeated": self._repeated.get("repeated", 0) + 1}
            self._repeated["repeated_s"] = round(time.monotonic() - self._begin, 3)

    def should_prune(self) -> bool:
        """Return whether the trial should end now: it is pruned or paused."""
        if self._new:
            decision = decide(self.study, self.storage.get_trial(trial_id(self)))
            self.life.decide(decision, max(self._steps))
        return self.life.stops

    def should_stop(
        self,
        value: float,
        step: int,
        *,
        final: bool = False,
        figures: Mapping[str, float] | None = None,
    ) -> bool:
        """Do as `report`; return whether the trial should end now.

        Optuna's pruners expect steps from 1. The pruner is not asked after the `final` step. The
        `figures`, numbers by name, are kept if the value is the best that the trial has reported.
        """
        begin, finite = time.monotonic(), _finite(figures or {})
        with signals.shield():
            is_best = bool(finite) and self._is_best(value)
            with batched(self.storage):
                self.report(value, step)
                if is_best and self._new:
                    self.set_user_attr(FIGURES, finite)
            stop = self.life.pruned if final else self.should_prune()
            self._group.decide(step, stop)
        self.reporting_s += time.monotonic() - begin
        return stop

    def _is_best(self, value: Any) -> bool:
        number, factor = as_number(value), sign(self.study)
        before = self.storage.get_trial(trial_id(self)).intermediate_values.values()
        return number is not None and all(factor * number < factor * old for old in before)

    def folder(self) -> Path:
        """Return a folder that belongs to this trial alone, for checkpoints; it is made if needed.

        Raises:
            FolderTakenError: it belongs to another trial.
        """
        if self.home is None:
            raise FolderTakenError(f"trial {self.number}: its study has no folder")
        return self.home.take(self.number)

    def note(self, facts: Mapping[str, str]) -> None:
        """Record what the trial runs with; say so if it was begun with something else."""
        before = stored(self.user_attrs, CODE)
        versions, change = added(before, facts)
        if change is not None:
            _log.warning("trial %d was begun with %s", self.number, change)
        if versions != before:
            self.set_user_attr(CODE, versions)

    def timed(self, application: Callable[..., Any], *arguments: Any) -> Any:
        """Call the application and count its wall time."""
        self._begin, before = time.monotonic(), meter.read()
        trials = partial(self.study.get_trials, deepcopy=False)
        try:
            with self._watch.over(trials, stored(self.user_attrs, SECONDS, 0)):
                return application(*arguments)
        finally:
            self.seconds = time.monotonic() - self._begin
            self._used = meter.used_since(before) | self._repeated

    def live(self, training: Callable[[], Any]) -> None:
        """Call the training and write what becomes of the trial.

        Only an interruption is raised, after the trial is given back.
        """
        outcome = Outcome(TrialState.WAITING)
        try:
            outcome = self.life.run(training)
            if self._watch.reached is not None:
                outcome = self._limited(self._watch.reached)
        finally:
            self._end(outcome)

    def _limited(self, limit: LimitError) -> Outcome:
        _log.warning("trial %d: %s", self.number, limit)
        if limit.reason is None:
            return Outcome(TrialState.WAITING, excused=True)
        return Outcome(TrialState.FAIL, reason=limit.reason)

    def _end(self, outcome: Outcome) -> None:
        try:
            with signals.shield(), batched(self.storage):
                self._group.end()
                if self._lease.is_held():
                    self._write(outcome)
                else:
                    _log.info("trial %d was taken over; its end is not written", self.number)
        except (UpdateFinishedTrialError, LeaseLostError):
            # Perhaps by this process, when the storage became unreachable before it confirmed.
            _log.info("trial %d is already finished", self.number)

    def _write(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            _log.error("trial %d failed", self.number, exc_info=outcome.error)
        self.set_user_attr(SECONDS, stored(self.user_attrs, SECONDS, 0) + self.seconds)
        if self._used:
            self.set_user_attr(COST, meter.added(stored(self.user_attrs, COST, {}), self._used))
        if self._watch.pace is not None:
            self.storage.set_trial_system_attr(trial_id(self), PACE, self._watch.pace)
        if outcome.diverged is not None:
            self.set_user_attr(DIVERGED, outcome.diverged)
        if outcome.reason is not None:
            reason = self._group.complaint() or outcome.reason
            self.set_user_attr(FAIL_REASON, hide(reason, stored_passwords()))
        if outcome.state is TrialState.WAITING:
            self._lease.let_go(outcome.paused_at, excused=outcome.excused)
        else:
            with stoppable(self.study):  # a sampler whose space is exhausted does so
                self.study.tell(self, outcome.value, state=outcome.state)


def _finite(figures: Mapping[str, Any]) -> dict[str, float]:
    numbers = {str(name): as_number(figure) for name, figure in figures.items()}
    if wrong := [name for name, number in numbers.items() if number is None]:
        raise TypeError(f"figures must be numbers, got {figures[wrong[0]]!r} for {wrong[0]}")
    return {k: v for k, v in numbers.items() if v is not None and math.isfinite(v)}


def _as_step(step: Any) -> int:
    try:
        number = -1 if isinstance(step, bool) else operator.index(step)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"step must be a whole number of at least 0, got {step!r}")
    return number
