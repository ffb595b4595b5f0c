"""The best configurations of other studies, as first trials: `hpo.enqueue=[outputs/sweeps/old]`.

They are trained like any trial, so a study that misleads costs three trials and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from commons.cli import did_you_mean
from hpo.attributes import BEST, DEFAULT, stored
from hpo.reporting.pareto import front_of
from hpo.reporting.summary import directions_of
from hpo.search.points import Point
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.study.adding import label_of
from hpo.study.sources import read_storage, split, value_today

_N_BEST = 3


def with_best(entry: Any, space: Space) -> list[Any]:
    """Return the points that an entry of `hpo.enqueue` means if it is a study, else the entry.

    These are the values of the searched keys in the three best complete trials that differ in
    them. What makes a trial the best is the study's own direction, or rule of several objectives.

    Args:
        entry: a journal file, a sweep folder or a storage URL, of several studies in which all
            that fit are taken, or `SOURCE::STUDY`; anything else is left as it is.
        space: what is searched today.

    Raises:
        SettingError: the source cannot be read, has no complete trial with a searched key, or a
            value of one of these trials lies outside of the search space.
    """
    is_source = isinstance(entry, str) and entry != DEFAULT
    if not is_source or entry.endswith((".yaml", ".yml")):
        return [entry]
    place, name = split(entry)
    label = label_of(entry)
    try:
        return read_storage(place, name, partial(_best_points, label, space))
    except (ValueError, KeyError) as error:
        told = str(error).removeprefix(f"storage={place}: ")
        near = did_you_mean(entry, [DEFAULT])
        raise SettingError("{enqueue}: {}: {}{}", label, told, near) from error


def _best_points(label: str, space: Space, study: optuna.Study) -> list[Point]:
    keys = {key.lstrip("+~"): key for key in space.distributions}
    directions, weights = directions_of(study), stored(study.user_attrs, BEST)
    rest = [trial for trial in study.get_trials(deepcopy=False) if _searched(trial, keys)]
    points: list[Point] = []
    while len(points) < _N_BEST and (best := front_of(rest, directions).best(weights)):
        values = _searched(best, keys)
        points.append(Point(label, _params(values, space, best.number)))
        rest = [trial for trial in rest if _searched(trial, keys) != values]
    if not points:
        raise ValueError("no complete trial with a searched key")
    return points


def _searched(trial: FrozenTrial, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of today's keys, given without and with their leading `+`."""
    values = {name.lstrip("+~"): value for name, value in trial.params.items()}
    return {key: values[plain] for plain, key in keys.items() if plain in values}


def _params(values: Mapping[str, Any], space: Space, number: int) -> dict[str, Any]:
    params = {}
    for key, value in values.items():
        try:
            params[key] = value_today(space, key, value)
        except ValueError as error:
            rule = f"trial {number}: {key} = {value} lies outside of the search space"
            raise ValueError(rule) from error
    return params
