"""Why a study has no result: how its trials ended, by cause and number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

from commons.terminal import one_line
from hpo.attributes import DIVERGED, FAIL_REASON, stored

_MAX_CAUSES = 5
_FORECAST = "qsvr:forecast"  # of the trials that `qsvr.SVRPruner` has stopped: why


def why_none_is_complete(trials: Iterable[FrozenTrial]) -> str | None:
    """Return why no trial is complete, None if one is.

    >>> from optuna.trial import create_trial
    >>> lost = {"diverged": 3}
    >>> why_none_is_complete([create_trial(state=TrialState.PRUNED, user_attrs=lost)])
    'no trial is complete: 1 diverged'
    """
    trials = list(trials)
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return None
    counts = Counter(map(cause_of, trials)).most_common()
    shown = [f"{n} {cause}" for cause, n in counts[:_MAX_CAUSES]]
    rest = sum(n for _, n in counts[_MAX_CAUSES:])
    shown += [f"{rest} for other reasons"] if rest else []
    return f"no trial is complete: {', '.join(shown) or 'there is none'}"


def was_outdone(trial: FrozenTrial) -> bool:
    """Tell whether a trial was pruned because others were better."""
    is_sound = stored(trial.user_attrs, DIVERGED) is None
    return trial.state == TrialState.PRUNED and is_sound and trial.last_step is not None


def was_forecast(trial: FrozenTrial) -> bool:
    """Tell whether a trial was pruned because of a forecast of its learning curve."""
    return trial.state == TrialState.PRUNED and _FORECAST in trial.system_attrs


def cause_of(trial: FrozenTrial) -> str:
    """Return how a trial ended, or its state."""
    if trial.state == TrialState.FAIL:
        return f"failed: {one_line(stored(trial.user_attrs, FAIL_REASON, 'no reason is known'))}"
    if trial.state != TrialState.PRUNED:
        return trial.state.name.lower()
    if stored(trial.user_attrs, DIVERGED) is not None:
        return "diverged"
    step = trial.last_step
    by = " by a forecast" if was_forecast(trial) else ""
    return "pruned before a step" if step is None else f"pruned at step {step}{by}"
