"""Trials with given values, which a study begins with: Optuna's `enqueue_trial`, as tickets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GridSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from commons.optuna_internals import FIXED, grid_mark, storage_of, trial_id
from hpo.attributes import DEFAULT, ENQUEUED, own_trials
from hpo.search.finite import grid_id, swapped
from hpo.search.points import Point
from hpo.settings import SettingError
from hpo.study.lease import was_started


def enqueue(
    study: optuna.Study, points: Sequence[Point], n_trials: int, sampler: BaseSampler
) -> None:
    """Give the next tickets of a study the values of `points`; the caller holds its lock.

    Points that a trial has, enqueued or drawn, are left out, so a command may be repeated.

    Raises:
        SettingError: fewer trials are left than there are new points, or a grid needs more keys.
    """
    trials = own_trials(study.get_trials(deepcopy=False))
    new = [point for point in points if not any(_has(trial, point) for trial in trials)]
    free = [t for t in trials if _is_free(t)]
    n_left = len(free) + max(n_trials - len(trials), 0)
    if n_left == 0:  # a finished study has no room for the default of a later command
        new = [point for point in new if point.source != DEFAULT]
    if len(new) > n_left:
        rule = "{enqueue}: {} trials are left of {n_trials}={}, but {} points are new"
        raise SettingError(rule, n_left, n_trials, len(new))
    if isinstance(sampler, GridSampler):
        new = _enqueue_on_grid(study, sampler, new, n_trials)
    for point in new:
        while free and not _gives(study, free[0], point):
            del free[0]
        if free:
            del free[0]
        else:
            study.add_trial(_ticket(point))


def _has(trial: FrozenTrial, point: Point) -> bool:
    if point.source == DEFAULT and trial.user_attrs.get(ENQUEUED) == DEFAULT:
        return True  # that of the command that has made the study
    return point.params in (trial.system_attrs.get(FIXED), trial.params)


def _is_free(trial: FrozenTrial) -> bool:
    is_new = trial.state == TrialState.WAITING and not was_started(trial)
    return is_new and not {FIXED, "grid_id"} & trial.system_attrs.keys()


def _gives(study: optuna.Study, ticket: FrozenTrial, point: Point) -> bool:
    """Give a ticket the values of a point, unless a worker of another command was faster."""
    storage, number = storage_of(study), trial_id(ticket)
    if storage.get_trial(number).state != TrialState.WAITING:
        return False
    storage.set_trial_system_attr(number, FIXED, point.params)
    storage.set_trial_user_attr(number, ENQUEUED, point.source)
    return True


def _ticket(point: Point | None, mark: dict[str, Any] | None = None) -> FrozenTrial:
    fixed = {} if point is None else {FIXED: point.params}
    source = {} if point is None else {ENQUEUED: point.source}
    system = {**fixed, **(mark or {})}
    return create_trial(state=TrialState.WAITING, user_attrs=source, system_attrs=system)


def _enqueue_on_grid(
    study: optuna.Study, sampler: GridSampler, new: list[Point], n_trials: int
) -> list[Point]:
    """Let the first trials of a new study take their points of the grid, and the others the rest.

    A study that is continued visits its grid anyway; returns the points beside it.
    """
    ids = [grid_id(sampler, point.params) for point in new]
    trials = study.get_trials(deepcopy=False)
    begin = takewhile(lambda trial: ENQUEUED in trial.user_attrs, trials)
    first = [trial.system_attrs.get("grid_id") for trial in begin] if trials else ids
    order = swapped(first)
    last = max(len(first) - 1, *order) if order else len(first) - 1
    for number in range(len(trials), min(last + 1, n_trials)):
        point = new[number] if number < len(first) else None
        mark = grid_mark(sampler, order[number]) if number in order else None
        study.add_trial(_ticket(point, mark))
    return [p for p, place in zip(new, ids, strict=True) if place is None] if trials else []
