"""The trial that this process is working on, as the training code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hpo.ranks import Group


class CurrentTrial(Protocol):
    """What training code may ask of its trial: a `LeasedTrial`, or a follower's view."""

    @property
    def number(self) -> int:
        """Number of the trial in its study, from 0."""

    @property
    def params(self) -> dict[str, Any]:
        """The searched values of this trial, by configuration key."""

    def set_user_attr(self, key: str, value: Any) -> None:
        """Store a JSON-serializable value with the trial."""

    def note(self, facts: Mapping[str, str]) -> None:
        """Record what the trial runs with; say so if it was begun with something else."""

    def should_stop(
        self,
        value: float,
        step: int,
        *,
        final: bool = False,
        figures: Mapping[str, float] | None = None,
    ) -> bool:
        """Store the value reached after `step` steps; return whether the trial should end now.

        `figures` are kept with the trial if the value is its best so far.
        """


class FollowedTrial:
    """A trial as the ranks other than 0 see it: rank 0 reports and decides."""

    def __init__(self, number: int, group: Group) -> None:
        self.number, self._group = number, group
        self.params: dict[str, Any] = {}  # only rank 0 has them; the configuration has the values

    def set_user_attr(self, key: str, value: Any) -> None:
        """Do nothing: rank 0 stores it."""

    def note(self, facts: Mapping[str, str]) -> None:
        """Do nothing: rank 0 records it."""

    def should_stop(
        self,
        value: float,  # noqa: ARG002
        step: int,
        *,
        final: bool = False,  # noqa: ARG002
        figures: Mapping[str, float] | None = None,  # noqa: ARG002
    ) -> bool:
        """Return what rank 0 decides after this step; wait for it."""
        return self._group.decision(step)


_current: CurrentTrial | None = None


def current_trial() -> CurrentTrial | None:
    """Return the trial that runs in this process, None outside a sweep."""
    return _current


def set_current_trial(trial: CurrentTrial | None) -> None:
    """Make `trial` the one that `hpo.report_value` reports to."""
    global _current
    _current = trial


def note_data(fingerprint: str) -> None:
    """Record with the trial what data it is trained on; outside a sweep do nothing.

    If the trial was begun with other data, because it was interrupted and the data have changed
    meanwhile, the log says so.

    Args:
        fingerprint: a short text that is another one for other data, for example a hash.
    """
    trial = current_trial()
    if trial is not None:
        trial.note({"data": fingerprint})


def report_value(value: float, step: int, figures: Mapping[str, float] | None = None) -> None:
    """Report the objective after `step` steps; outside a sweep do nothing.

    In a trial of several ranks each of them calls this, and all stop together.

    Args:
        value: the objective so far, in the study's direction.
        step: steps (epochs) done, from 1.
        figures: further figures of this step by name, for people: those beside the best value are
            shown with the trial. One that is not finite is left out.

    Raises:
        optuna.TrialPruned: the trial should end now, for good or until it is resumed. Do not catch
            it: the worker expects it.
        TypeError: `value` or a figure is not a number.
        ValueError: `step` is not a whole number, or negative.
        hpo.study.lease.LeaseLostError: another worker has taken the trial over. Not an
            `Exception`; do not catch it either.
    """
    trial = current_trial()
    if trial is not None and trial.should_stop(value, step, figures=figures):
        from optuna import TrialPruned

        raise TrialPruned(f"trial {trial.number} stopped after step {step}")
