"""Optuna trials as arrays: their values at the decision epochs and their hyperparameters.

Shapes: T trials, J decision epochs, H columns of hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from commons.unit_cube import choice, is_ordered, to_unit

Floats = NDArray[np.float64]

_FIRST_EPOCHS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60)
_GROWTH = 1.5


def decision_epochs(max_resource: int, chosen: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the epochs at which decisions are taken, the last epoch at their end.

    Each is about 1.5 times the one before, since learning curves change with the logarithm of the
    epoch. There is none near the end, where a decision would save little.

    >>> decision_epochs(12)
    (1, 2, 3, 5, 8, 12)

    Args:
        max_resource: epochs of a full training, at least 2.
        chosen: ascending, from 1; None: 1, 2, 3, 5, 8, 12, 18, 27, 40, 60, then by half.

    Raises:
        ValueError: `max_resource` < 2, or `chosen` is not ascending from 1 or more.
    """
    if max_resource < 2:
        raise ValueError(f"max_resource must be >= 2, got {max_resource}")
    if chosen is not None:
        if not chosen or chosen[0] < 1 or any(b <= a for a, b in pairwise(chosen)):
            raise ValueError(f"decision_epochs must ascend from >= 1, got {list(chosen)}")
        return (*(epoch for epoch in chosen if epoch < max_resource), max_resource)
    epochs = list(_FIRST_EPOCHS)
    while epochs[-1] < max_resource:
        epochs.append(math.ceil(_GROWTH * epochs[-1]))
    return (*(epoch for epoch in epochs if epoch < 0.8 * max_resource), max_resource)


def values_at(trials: Sequence[FrozenTrial], epochs: Sequence[int], sign: int) -> Floats:
    """Return the values of trials at the decision epochs, times `sign`, so that small is good.

    A report that jumps over an epoch counts there. The last column holds the values of complete
    trials only.

    Returns:
        Shape (T, J), NaN where a trial has not been, and for values that are not finite.
    """
    table = np.full((len(trials), len(epochs)), np.nan)
    for row, trial in zip(table, trials, strict=True):
        row[:-1] = _along(trial.intermediate_values, epochs[:-1])
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            row[-1] = trial.value
    return np.where(np.isfinite(table), sign * table, np.nan)


def _along(values: Mapping[int, float], epochs: Sequence[int]) -> list[float]:
    last = max(values, default=0)
    return [
        math.nan
        if epoch > last
        else values[epoch]
        if epoch in values
        else values[min(step for step in values if step > epoch)]
        for epoch in epochs
    ]


def unit_cube(trials: Sequence[FrozenTrial]) -> Floats:
    """Return the hyperparameters of trials on [0, 1], shape (T, H), in the order of their names.

    Numbers lie between the ends of their range, logarithmically if they are searched so; choices
    that are numbers by their rank; other choices have a column each. What a trial does not have
    is 0.5.
    """
    spaces = sorted({name: d for t in trials for name, d in t.distributions.items()}.items())
    rows = [[x for name, d in spaces for x in _scaled(d, t.params, name)] for t in trials]
    return np.array(rows).reshape(len(trials), -1 if trials else 0)


def _scaled(distribution: BaseDistribution, params: Mapping[str, Any], name: str) -> list[float]:
    if isinstance(distribution, CategoricalDistribution) and not is_ordered(distribution):
        unknown = [0.5] * len(distribution.choices)
        return choice(distribution, params[name]) if name in params else unknown
    if name not in params or distribution.single():
        return [0.5]
    if isinstance(distribution, CategoricalDistribution):
        return choice(distribution, params[name])
    return [float(to_unit(distribution, params[name]))]
