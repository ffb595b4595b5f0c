"""Trials of any length on one scale: by how many others are better where both have been.

With pruning and pauses few trials are complete, and those are not all good. What the others have
reported tells a sampler as much.

Shapes: T trials, S steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

Floats = NDArray[np.float64]


def scores(trials: Sequence[FrozenTrial], sign: int) -> Floats:
    """Return the ranks of T trials as normal quantiles, shape (T,); small is good.

    Two trials are compared at the last step that both have reached, complete ones by their final
    values. The rank of a trial is the number of trials that are better; an equal one counts half,
    and so does one without a value there. NaN is worse than any number.

    Args:
        trials: each with a value or a report.
        sign: -1 to maximize, or 1.
    """
    lasts = [math.inf if trial.values else max(trial.intermediate_values) for trial in trials]
    steps, place = np.unique(lasts, return_inverse=True)
    columns = np.array([_values(trial, steps, sign) for trial in trials]).reshape(len(trials), -1)
    better = np.zeros(len(trials))
    for step, values in enumerate(columns.T):
        here, beyond = place == step, place > step
        better[here] += _n_better(values[here | beyond], values[here])
        better[beyond] += _n_better(values[here], values[beyond])
    normal = NormalDist()
    return np.array([normal.inv_cdf(share) for share in better / len(trials)])


def is_known(trial: FrozenTrial) -> bool:
    """Tell whether a trial has a value that it can be compared by; a failed one has none."""
    return trial.state != TrialState.FAIL and bool(trial.values or trial.intermediate_values)


def teaches(trial: FrozenTrial) -> bool:
    """Tell whether a sampler can learn from a trial; a pruned one without a report is bad."""
    return is_known(trial) or trial.state == TrialState.PRUNED


def as_complete(trials: Sequence[FrozenTrial], sign: int) -> list[FrozenTrial]:
    """Return trials of which those with any value are shown as complete, with their scores.

    If all of these are complete, nothing changes.
    """
    known = [trial for trial in trials if is_known(trial)]
    if all(trial.state == TrialState.COMPLETE for trial in known):
        return [*trials]
    by_number = dict(zip((t.number for t in known), sign * scores(known, sign), strict=True))
    return [_shown(t, by_number[t.number]) if t.number in by_number else t for t in trials]


def _shown(trial: FrozenTrial, score: float) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state, shown.values = TrialState.COMPLETE, [float(score)]
    return shown


def _values(trial: FrozenTrial, steps: Floats, sign: int) -> Floats:
    """Return the first value at or after each step, inf being the end; NaN: there is none."""
    reports: Any = [*trial.intermediate_values.items()]
    reports = np.array(sorted(reports), dtype=float).reshape(-1, 2)
    values = np.append(sign * reports[:, 1], np.nan)
    values[:-1][np.isnan(values[:-1])] = np.inf
    found = values[np.searchsorted(reports[:, 0], steps)]
    if trial.values and math.isinf(steps[-1]):
        found[-1] = sign * trial.values[0]
    return found


def _n_better(others: Floats, own: Floats) -> Floats:
    """Count for each of `own` how many of `others` are smaller."""
    known = np.sort(others[~np.isnan(others)])
    n = np.searchsorted(known, own, "left") + np.searchsorted(known, own, "right")
    n = n + len(others) - len(known)
    return np.asarray(np.where(np.isnan(own), len(others), n) / 2)
