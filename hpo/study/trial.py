"""A trial in work under a lease, as the worker and the training code hold it."""

from __future__ import annotations

import math
import time

import optuna

from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import DIVERGED
from hpo.ranks import Group, alone
from hpo.search.pausing import Decision, decide
from hpo.study.lease import Lease


class LeasedTrial(optuna.Trial):
    """Optuna's trial, fenced by a lease, which may also be paused.

    A trial taken over from its checkpoint may repeat a step that is already stored: nothing is
    stored then and no decision is taken.

    Args:
        study: with the sampler and the pruner.
        trial_id: Optuna's id of a RUNNING trial.
        lease: of this process on it.
        group: the ranks that train it together, None for this process alone.

    Attributes:
        pruned: the pruner, or a value that is not finite, has ended this trial. Sticky: whatever
            the training returns afterwards, the trial counts as pruned.
        paused_at: the step at which a policy has paused it, None as long as it runs.
        reporting_s: time spent storing values and deciding.
        n_reports: values stored by this process.
    """

    def __init__(
        self, study: optuna.Study, trial_id: int, lease: Lease, group: Group | None = None
    ) -> None:
        super().__init__(study, trial_id)
        self._lease, self._group = lease, group or alone()
        stored = self.storage.get_trial(trial_id).intermediate_values
        self._last_step = max(stored, default=-1)
        self._new = False
        self.pruned, self.paused_at = False, None
        self.reporting_s, self.n_reports = 0.0, 0

    pruned: bool
    paused_at: int | None

    def report(self, value: float, step: int) -> None:
        """Store the value reached after `step` steps.

        Raises:
            hpo.study.lease.LeaseLostError: another worker has taken this trial over.
        """
        self._lease.check()
        self._new = step > self._last_step
        if self._new:
            super().report(value, step)
            self._last_step = step
            self.n_reports += 1
            self._lease.progress = True

    def should_prune(self) -> bool:
        """Return whether the trial should end now: it is pruned, or paused for the time being."""
        if self._new:
            decision = decide(self.study, self.storage.get_trial(trial_id(self)))
            self.paused_at = self._last_step if decision is Decision.PAUSE else None
            self.pruned = self.pruned or decision is Decision.PRUNE
        return self.pruned or self.paused_at is not None

    def should_stop(self, value: float, step: int, *, final: bool = False) -> bool:
        """Store the value reached after `step` steps; return whether the trial should end now.

        Args:
            value: the objective so far. NaN or infinite: the trial has diverged and should end.
            step: steps done, from 1 (Optuna's pruners count their resource like that).
            final: nothing would be saved any more, so the pruner is not asked.

        Raises:
            hpo.study.lease.LeaseLostError: another worker has taken this trial over.
        """
        begin = time.monotonic()
        with signals.shield():
            self._lease.check()
            if math.isfinite(value):
                self.report(value, step)
                stop = not final and self.should_prune()
            else:
                self.set_user_attr(DIVERGED, step)
                self.pruned = stop = True
            self._group.decide(step, stop)
        self.reporting_s += time.monotonic() - begin
        return stop
