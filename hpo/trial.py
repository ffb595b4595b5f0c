"""The trial that this process is working on, as the training code sees it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

    from hpo.lease import Lease


class ActiveTrial:
    """A trial in work: Optuna's trial, its lease, and whether it was told to stop.

    Attributes:
        pruned: the pruner, or a value that is not finite, has ended this trial. Sticky: whatever
            the training returns afterwards, the trial counts as pruned.
    """

    def __init__(self, trial: optuna.Trial, lease: Lease) -> None:
        self._trial = trial
        self._lease = lease
        stored = trial.storage.get_trial(trial._trial_id).intermediate_values
        self._last_step = max(stored, default=-1)
        self.pruned = False

    @property
    def number(self) -> int:
        """Number of the trial in its study, from 0."""
        return self._trial.number

    @property
    def params(self) -> dict[str, Any]:
        """The searched values of this trial, by configuration key."""
        return self._trial.params

    def set_user_attr(self, key: str, value: Any) -> None:
        """Store a JSON-serialisable value with the trial."""
        self._trial.set_user_attr(key, value)

    def should_stop(self, value: float, step: int, *, final: bool = False) -> bool:
        """Store the value reached after `step` steps; return whether the trial should end now.

        A trial taken over from its checkpoint may repeat a step that is already stored: nothing is
        stored then and no decision is taken.

        Args:
            value: the objective so far. NaN or infinite: the trial has diverged and should end.
            step: steps done, from 1 (Optuna's pruners count their resource like that).
            final: nothing would be saved any more, so the pruner is not asked.

        Raises:
            hpo.lease.LeaseLostError: another worker has taken this trial over.
        """
        self._lease.check()
        if not math.isfinite(value):
            self.set_user_attr("diverged", step)
            self.pruned = True
        elif step > self._last_step:
            self._trial.report(value, step)
            self._last_step = step
            self.pruned = (not final and self._trial.should_prune()) or self.pruned
        return self.pruned


_current: ActiveTrial | None = None


def current_trial() -> ActiveTrial | None:
    """Return the trial that runs in this process, None outside a sweep."""
    return _current


def set_current_trial(trial: ActiveTrial | None) -> None:
    """Make `trial` the one that `hpo.report_value` reports to (called by the worker)."""
    global _current
    _current = trial


def report_value(value: float, step: int) -> None:
    """Report the objective after `step` steps; outside a sweep do nothing.

    Args:
        value: the objective so far, in the study's direction.
        step: steps (epochs) done, from 1.

    Raises:
        optuna.TrialPruned: the trial should end now. Let it pass: the worker expects it.
    """
    trial = current_trial()
    if trial is not None and trial.should_stop(value, step):
        from optuna import TrialPruned

        raise TrialPruned(f"trial {trial.number} stopped after step {step}")
