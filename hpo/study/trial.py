"""A trial under a lease, as the worker and the training code use it."""

from __future__ import annotations

import logging
import math
import operator
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from commons.optuna_internals import renew, stoppable, trial_id
from commons.rungs import sign
from hpo import signals
from hpo.attributes import CODE, COST, DIVERGED, FAIL_REASON, FIGURES, PACE, SECONDS, stored
from hpo.current import Checkpoint
from hpo.goals import Bound
from hpo.ranks import Group
from hpo.search.lineage import parent_of
from hpo.search.pausing import decide, is_due
from hpo.storage.batching import batched
from hpo.storage.folders import CHECKPOINT, FolderTakenError, StudyFolder
from hpo.storage.passwords import hide, stored_passwords
from hpo.study import meter
from hpo.study.held import HeldReports, Report
from hpo.study.lease import Lease, LeaseLostError
from hpo.study.life import Life, Outcome, as_number
from hpo.study.limits import LimitError, Limits, Watch
from hpo.study.provenance import added

_log = logging.getLogger(__name__)
_HOLD_S = 5.0  # a value that no decision needs is stored so long after the last one, at the latest


class LeasedTrial(optuna.Trial):
    """Optuna's trial, fenced by a lease, which may also be paused.

    All writes about the trial (parameters, values, attributes, its end) go through this class and
    the lease of this process: after a lost lease nothing is written. A trial that was resumed from
    a checkpoint may repeat a step that is already stored: nothing is stored then and the pruner is
    not asked. A trial that has a folder holds values that no decision needs for a few seconds.

    Attributes:
        home: the folder of the study; None: there is none.
        parent: number of the trial whose checkpoint it begins with; None: it has none.
        life: what has become of the trial so far.
        bounds: on figures that it reports, by name.
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
        renew(study)
        super().__init__(study, trial_id)
        self.storage = lease.fence(self.storage)
        self._lease, self._group = lease, group or Group()
        limits = limits or Limits()
        self._watch, self._spent = Watch(limits, lease), limits.spent
        begun = self.storage.get_trial(trial_id)
        self.parent = (parent_of(begun) or (None,))[0]
        self._values = dict(begun.intermediate_values)
        self._before = frozenset(self._values)
        self._begin, self._repeated = time.monotonic(), dict[str, float]()
        self._used: dict[str, float] = {}
        self._new = self._is_due = False
        self._held: HeldReports | None = None
        self._unstored: list[Report] = []
        self._code: list[dict[str, str]] | None = None  # not stored yet
        self._stored_at, self._storing = -math.inf, threading.RLock()
        lease.after_beat = self._store  # an epoch may be much longer than the one before
        self.home: StudyFolder | None = None
        self.life = Life(len(study.directions))
        self.bounds: Mapping[str, Bound] = {}
        self.seconds, self.reporting_s, self.n_reports = 0.0, 0.0, 0

    def report(self, value: float, step: int) -> None:
        """Store the value reached after `step` steps, at least 0, if it is finite.

        If it is not, the trial has diverged and should end. Raises the errors of
        `hpo.report_value`.
        """
        self._report(value, step, {})

    def _report(
        self, value: Any, step: Any, figures: Mapping[str, Any], final: bool = False
    ) -> None:
        number, step, finite = as_number(value), _as_step(step), _finite(figures)
        if number is None:
            raise TypeError(f"a reported value must be a number, got {value!r}")
        self._lease.check()
        self._watch.progress()
        self._new = self.life.report(number, step) and step not in self._values
        if self._new:
            report = Report(step, number, finite if finite and self._is_best(number) else None)
            self._is_due = is_due(self.study.pruner, max(self._values, default=0), step)
            self._values[step] = number
            counts = self._spent is not None and self._spent.counts_epochs
            self._keep(report, may_wait=(final or not self._is_due) and not counts)
            self.n_reports += 1
            self._lease.advance()
        elif step in self._before:
            self._repeated = {"repeated": self._repeated.get("repeated", 0) + 1}
            self._repeated["repeated_s"] = round(time.monotonic() - self._begin, 3)

    def _keep(self, report: Report, *, may_wait: bool) -> None:
        """Store a report, or let it wait until others are stored too."""
        with self._storing:
            self._unstored.append(report)
        try:
            if may_wait and self._held and time.monotonic() < self._stored_at + _HOLD_S:
                self._held.add(report)
                return
        except OSError as error:  # a full disk, for example: the storage may be elsewhere
            _log.info("trial %d: a report is stored at once: %s", self.number, error)
        self._store()

    def _store(self) -> None:
        with self._storing:
            if not self._unstored and self._code is None:
                return
            with batched(self.storage):
                if self._code is not None:
                    self.set_user_attr(CODE, self._code)
                for report in self._unstored:
                    self.storage.set_trial_intermediate_value(
                        trial_id(self), report.step, report.value
                    )
                    if report.figures is not None:
                        self.set_user_attr(FIGURES, report.figures)
            self._unstored.clear()
            self._code = None
            self._stored_at = time.monotonic()

    def hold_in(self, folder: Path) -> None:
        """Let reports wait in a folder of this trial; store what an earlier process left there."""
        self._held = HeldReports(folder)
        left = [report for report in self._held.read() if report.step not in self._values]
        self._values |= {report.step: report.value for report in left}
        self._before |= {report.step for report in left}
        self._unstored += left
        self._store()

    def should_prune(self) -> bool:
        """Return whether the trial should end now: it is pruned, paused or given back."""
        if self._new and self._is_due:
            decision = decide(self.study, self.storage.get_trial(trial_id(self)))
            self.life.decide(decision, max(self._values))
        if self._new and not self.life.stops and self._spent is not None:
            self.life.given_back = self._spent.reached_after_report() is not None
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
        begin = time.monotonic()
        with signals.shield():
            self._report(value, step, figures or {}, final)
            stop = self.life.pruned if final else self.should_prune()
            self._group.decide(step, stop)
        self.reporting_s += time.monotonic() - begin
        return stop

    def _is_best(self, number: float) -> bool:
        factor = sign(self.study)
        return all(factor * number < factor * old for old in self._values.values())

    def folder(self) -> Path:
        """Return a folder that belongs to this trial alone, for checkpoints; it is made if needed.

        Raises:
            FolderTakenError: it belongs to another trial.
        """
        if self.home is None:
            raise FolderTakenError(f"trial {self.number}: its study has no folder")
        folder = self.home.take(self.number, parent=self.parent)
        if self._held is None:
            self.hold_in(folder)
        return folder

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the trial keeps what it resumes from; raises as `folder` does."""
        return Checkpoint(self.folder() / CHECKPOINT, self.parent)

    def note(self, facts: Mapping[str, str]) -> None:
        """Record what the trial runs with; say so if it was begun with something else."""
        before = self._code or stored(self.user_attrs, CODE)
        versions, change = added(before, facts)
        if change is not None:
            _log.warning("trial %d was begun with %s", self.number, change)
        if versions != before:
            self._code = versions
            if self._held is None:  # else with the first report: each write takes the lock
                self._store()

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
                if not self._lease.is_held():
                    _log.info("trial %d was taken over; its end is not written", self.number)
                    return
                self._write(outcome)
            if self._held is not None:
                self._held.remove()
        except (UpdateFinishedTrialError, LeaseLostError):
            # Perhaps by this process, when the storage became unreachable before it confirmed.
            _log.info("trial %d is already finished", self.number)

    def _write(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            _log.error("trial %d failed", self.number, exc_info=outcome.error)
        self._store()
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
            if outcome.state is TrialState.COMPLETE:
                outcome = self._constrained(outcome)
            with stoppable(self.study):  # a sampler whose space is exhausted does so
                self.study.tell(self, outcome.values, state=outcome.state)

    def _constrained(self, outcome: Outcome) -> Outcome:
        """Note by how much each constraint is missed; a figure that was not reported fails it."""
        figures = stored(self.user_attrs, FIGURES, {})
        for name, bound in self.bounds.items():
            if name not in figures:
                reason = f"no figure '{name}' was reported, which a constraint needs"
                self.set_user_attr(FAIL_REASON, reason)
                return Outcome(TrialState.FAIL, reason=reason)
            self.set_constraint(name, bound.excess(figures[name]))
        return outcome

    def note_figures(self, figures: Mapping[str, float]) -> None:
        """Keep figures of the whole training with the trial, beside those of its best step."""
        finite = _finite(figures)
        with signals.shield():
            self._lease.check()
            self._store()
            self.set_user_attr(FIGURES, {**stored(self.user_attrs, FIGURES, {}), **finite})


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
