"""What a command says when its sweep ends, and whether that is a success."""

from __future__ import annotations

import logging
from functools import cache

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import FAIL_REASON, stored
from hpo.launch.payload import Payload
from hpo.reporting.causes import was_outdone, why_none_is_complete
from hpo.reporting.pareto import NONE_IS_FEASIBLE, is_feasible
from hpo.search.finite import EXHAUSTED
from hpo.settings import SettingError, SweepFailure, typed_key
from hpo.study.spent import Reached
from hpo.study.study import SweepSpec
from hpo.study.tickets import Tickets

_log = logging.getLogger(__name__)
_SECTION = "hydra.sweeper"
_ALL_ADDED = "the space is exhausted: all of its points were added"


def say_if_exhausted(spec: SweepSpec, n_wanted: int) -> bool:
    """Say that the space has less points than trials were wanted, if so."""
    is_exhausted = spec.n_trials < n_wanted
    if is_exhausted and spec.n_trials:  # `check_result` tells that all points were added
        _log.info(EXHAUSTED, spec.n_trials, n_wanted)
    return is_exhausted


def say_time_is_over(spec: SweepSpec, app: Payload, n_left: int) -> None:
    """Say that the time of the study is over, and how to go on."""
    key = typed_key(app.config, _SECTION, "timeout")
    _log.warning(
        "the time of study '%s' is over (%s=%g): %d of %d trials are finished. The same command "
        "with a larger %s continues it. Results so far: %s",
        spec.study_name,
        key,
        spec.timeout,
        spec.n_trials - n_left,
        spec.n_trials,
        key,
        spec.sweep_dir,
    )


def say_budget_is_reached(spec: SweepSpec, app: Payload, reached: Reached, n_left: int) -> None:
    """Say which budget has ended the sweep, and how to go on."""
    key = typed_key(app.config, _SECTION, "budget")
    _log.info(
        "study '%s' has reached %s: %d of %d trials are finished, the others wait. The same "
        "command with %s %s.%s continues it. Results: %s",
        spec.study_name,
        reached.text(key),
        spec.n_trials - n_left,
        spec.n_trials,
        "another" if reached.name == "target" else "a larger",
        key,
        reached.name,
        spec.sweep_dir,
    )


@cache
def say_energy_is_unknown() -> None:
    """Say once that the budget of energy cannot end this sweep."""
    _log.warning("no worker can read its energy: the budget energy_kwh will not end this sweep")


def check_result(spec: SweepSpec, tickets: Tickets) -> None:
    """Raise SweepFailure if no trial is complete; those of `add` may be better than all others.

    They may also be all points of a finite space: then the study has no trial of its own.
    """
    trials = tickets.trials()
    why = why_none_is_complete(trials) if spec.n_trials else _ALL_ADDED
    if why is None:
        return
    is_result = not spec.n_trials or any(map(was_outdone, trials))
    if is_result and any(map(_may_be_best, tickets.added())):
        _log.warning("%s; the best trial was added", why)
    elif spec.n_trials:
        raise SweepFailure(f"{why}; their folders: {spec.sweep_dir}/trials")
    else:
        raise SweepFailure(f"{why}, but {NONE_IS_FEASIBLE}")


def _may_be_best(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and is_feasible(trial)


def too_many_failures(spec: SweepSpec, tickets: Tickets) -> SettingError:
    """Return what to tell when too many trials have failed."""
    failed = tickets.trials(TrialState.FAIL)
    reasons = {stored(t.user_attrs, FAIL_REASON): t.number for t in failed}  # the last of each
    last = [f"trial {number}: {reason}" for reason, number in reasons.items()][-3:]
    return SettingError(
        "failed trials: {}, more than {max_failure_rate}={} of {n_trials}={} allows: {}. They "
        "stay in the study: once the cause is corrected, allow more of them or take another "
        "{study_name}",
        len(failed),
        spec.max_failure_rate,
        spec.n_trials,
        "; ".join(last),
    )
