"""Samplers that visit each point of a finite space once, and how many trials they allow.

Optuna's `GridSampler` and `BruteForceSampler` stop `Study.optimize` when nothing is left. A study
of several workers needs to know earlier: a trial that begins when the last points are running
would only repeat one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler
from optuna.trial import FrozenTrial

from commons.optuna_internals import (
    FIXED,
    contains,
    grid_ids,
    grid_points,
    grid_space,
    stoppable,
)
from hpo.settings import SettingError

EXHAUSTED = "the space is exhausted: %d of %d trials"
_SMALL = 1000  # points of a space
Space = Mapping[str, BaseDistribution]


def check_grid(grid: Mapping[str, Sequence[Any]], space: Space, *, more: bool = False) -> None:
    """Check that a grid has points of a space.

    Args:
        grid: values by key.
        space: distribution by key.
        more: whether trials have keys that are not in `space`.

    Raises:
        SettingError: it has not; names `sampler` and the key.
    """
    for key, distribution in space.items():
        if key not in grid:
            raise SettingError("{sampler}: its search_space lacks {}", key)
        for value in grid[key]:
            if not contains(distribution, value):
                rule = "{sampler}: its search_space has {}={!r}, which is not in the range of {}"
                raise SettingError(rule, key, value, key)
    for key in grid.keys() - space.keys():
        if not more:
            raise SettingError("{sampler}: its search_space has {}, which is not searched", key)


def check_finite(space: Space) -> None:
    """Check that no key of a space is continuous.

    Raises:
        SettingError: one is; names `sampler` and the key.
    """
    for key, distribution in space.items():
        if n_points(distribution) is None:
            rule = "{sampler}: it visits all points, but {} has no steps; use range() or choice()"
            raise SettingError(rule, key)


def n_points(distribution: Any) -> int | None:
    """Return how many values a distribution has; None: it is continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if distribution.step is None:
        return None
    n: int = round((distribution.high - distribution.low) / distribution.step) + 1
    return n


def points(distribution: Any) -> list[Any]:
    """Return the values of a distribution; it must not be continuous.

    >>> from optuna.distributions import FloatDistribution
    >>> points(FloatDistribution(0, 0.9, step=0.3))
    [0.0, 0.3, 0.6, 0.9]
    """
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    kind, n = type(distribution.low), n_points(distribution) or 0
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    return [kind(low + i * step) for i in range(n)]


def is_small(space: Space) -> bool:
    """Tell whether a space has so few points that those which are free can be listed."""
    return math.prod(n_points(each) or _SMALL + 1 for each in space.values()) <= _SMALL


def free_points(space: Space, taken: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the points of a small space that are not taken; of a larger one none.

    Args:
        space: distribution by key.
        taken: points that are taken, in rows, in the numbers that Optuna stores for the values.
    """
    if not is_small(space):
        return []
    rows = {tuple(row) for row in taken.tolist()}
    kinds, values = space.values(), map(points, space.values())
    return [
        dict(zip(space, point, strict=True))
        for point in product(*values)
        if tuple(d.to_internal_repr(x) for d, x in zip(kinds, point, strict=True)) not in rows
    ]


def most_trials(study: Study, sampler: BaseSampler, space: Space | None = None) -> float:
    """Return how many trials a study can have before a finite space is exhausted; else infinity.

    Args:
        study: its trials have visited a part of the space.
        sampler: of its next trials.
        space: distribution by key of all its trials; None: not known before they run.
    """
    trials = study.get_trials(deepcopy=False)
    if isinstance(sampler, GridSampler):
        size = math.prod(map(len, grid_space(sampler).values()))
        visited: list[Any] = [*grid_ids(sampler, trials)]
    elif isinstance(sampler, BruteForceSampler) and space:
        size = math.prod(n_points(each) or 0 for each in space.values())
        there = [params for params in map(_params, trials) if _is_point(params, space)]
        visited = [tuple(params[key] for key in space) for params in there]
    else:
        return math.inf
    return n_placed(trials) + size - len({*visited})


def n_placed(trials: Sequence[FrozenTrial]) -> int:
    """Count the trials that have a point, or will have one that the user has given."""
    return sum(bool(_params(trial)) or "grid_id" in trial.system_attrs for trial in trials)


def _params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values of a trial, enqueued ones included."""
    fixed = trial.system_attrs.get(FIXED)
    return trial.params | fixed if isinstance(fixed, dict) else trial.params


def _is_point(params: Mapping[str, Any], space: Space) -> bool:
    return all(key in params and contains(each, params[key]) for key, each in space.items())


def grid_id(sampler: GridSampler, params: Mapping[str, Any]) -> int | None:
    """Return the number of a point in a grid; None: it is not there.

    Raises:
        SettingError: the grid has a key that the point lacks.
    """
    lacking = sorted(grid_space(sampler).keys() - params.keys())
    if lacking:
        raise SettingError("{enqueue}: a grid needs all keys of a point, it lacks {}", lacking[0])
    points = grid_points(sampler)
    wanted = {key: params[key] for key in grid_space(sampler)}
    return points.index(wanted) if wanted in points else None


def swapped(first: Sequence[int | None]) -> dict[int, int]:
    """Return which trial of a grid takes which point when the first trials take given ones.

    By default trial n takes point n. So that none is taken twice, trial g, whose point the trial i
    has, takes the one of i.

    Args:
        first: point of trial 0, 1, ...; None: one that is not on the grid.

    >>> swapped([7, None, 0])
    {0: 7, 2: 0, 7: 2}
    """
    taken = {point: number for number, point in enumerate(first) if point is not None}
    order = {number: point for point, number in taken.items()}
    for point in taken:
        if point < len(first):
            continue
        free = point
        while free in taken:
            free = taken[free]
        order[point] = free
    return dict(sorted(order.items()))


def is_exhausted(study: Study, sampler: BaseSampler) -> bool:
    """Tell whether a sampler that visits all points knows no other one, running ones included."""
    trials = study.get_trials(deepcopy=False)
    if not isinstance(sampler, BruteForceSampler):
        return most_trials(study, sampler) <= n_placed(trials)
    ended = next((t for t in trials if t.state.is_finished() and t.params), None)
    if ended is None:
        return False
    with stoppable(study) as stopped:
        sampler.after_trial(study, ended, ended.state, ended.values)  # looks at all trials
        return stopped()
