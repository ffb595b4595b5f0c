"""Finished trials of a table or of other studies, which a new study begins with.

    hpo.add=[trials.csv,outputs/sweeps/asha_bo,postgresql://me@host/hpo::old]

Its sampler learns from them as from trials of its own. They have the first numbers, and their user
attribute `added` says where they are from. No worker has had them, so they count for no budget.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from commons.tables import Table, read_table
from hpo.attributes import ADDED, DIVERGED, FIGURES, FIXED, RUN, stored
from hpo.goals import Goals
from hpo.reporting.rows import OF_FIGURES, PARAMS
from hpo.reporting.summary import numbered
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.study.adding import identity, label_of
from hpo.study.provenance import differences
from hpo.study.sources import check_directions, column_of, read_storage, split, value_today

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """The study that trials are to be added to.

    Attributes:
        space: what it searches, and its fixed overrides.
        directions: "minimize" or "maximize", of each objective.
        goals: names of the objectives, and constraints.
        own_groups: see `SweepSettings`.
    """

    space: Space
    directions: Sequence[str]
    goals: Goals
    own_groups: Sequence[str] = ()


@dataclass(frozen=True)
class _Found:
    """A trial of a source."""

    params: Mapping[str, Any]  # by key, without a leading +
    values: Sequence[float]
    figures: Mapping[str, float]
    state: TrialState = TrialState.COMPLETE
    steps: Mapping[int, float] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)  # user attributes


def read_added(sources: Sequence[str], wanted: Wanted) -> list[FrozenTrial]:
    """Return the trials of all sources, each once; what is left out is logged with its reasons.

    Args:
        sources: each a CSV file, a journal file, a sweep folder or a storage URL. Of several
            studies in a storage all that fit are taken, of `SOURCE::STUDY` that one; of
            `FILE.csv::COLUMN` that column has the values.
        wanted: what they are for.

    Raises:
        SettingError: a source cannot be read, has other objectives, or none of its trials fits.
    """
    trials: dict[str, FrozenTrial] = {}
    for source in dict.fromkeys(sources):
        place, name = split(source)
        try:
            if place.endswith(".csv"):
                read = _read_table(read_table(Path(place)), name, wanted, label_of(source))
            else:
                read = read_storage(place, name, partial(_read_study, source, wanted))
        except (ValueError, KeyError) as error:
            where = "" if str(error).startswith(place) else f"{label_of(source)}: "
            raise SettingError("{add}: {}{}", where, error) from error
        for trial in read:
            trials.setdefault(identity(trial), trial)
    return [*trials.values()]


def _read_study(source: str, wanted: Wanted, study: optuna.Study) -> list[FrozenTrial]:
    check_directions(study, wanted.directions)
    names = tuple(study.metric_names or ())
    if names and wanted.goals.names and names != wanted.goals.names:
        ours = ", ".join(wanted.goals.names)
        raise ValueError(f"its objectives are {', '.join(names)}, not {ours}")
    place, name = split(source)
    alone = name is not None or "://" not in place
    label = label_of(source if alone else f"{source}::{study.study_name}")
    _tell_differences(label, study, wanted)
    trials = (t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING)
    return _fitting(label, map(_of_study, trials), wanted)


def _tell_differences(label: str, study: optuna.Study, wanted: Wanted) -> None:
    overrides = (override.partition("=") for override in wanted.space.fixed)
    ours = {key: value for key, _, value in overrides}
    theirs = stored(study.user_attrs, FIXED, ours)
    others = [*differences(theirs, ours, wanted.own_groups)]
    if others:
        told = "; ".join(f"{key} was {before}, is {now}" for key, before, now in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        _log.warning("%s was made with other settings: %s%s", label, told, more)


def _of_study(trial: FrozenTrial) -> _Found | str:
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return "failed" if trial.state == TrialState.FAIL else "not finished"
    diverged = stored(trial.user_attrs, DIVERGED)
    return _Found(
        {key.lstrip("+~"): value for key, value in trial.params.items()},
        trial.values or (),
        stored(trial.user_attrs, FIGURES, {}),
        trial.state,
        trial.intermediate_values,
        {} if diverged is None else {DIVERGED: diverged},
    )


def _read_table(table: Table, column: str | None, wanted: Wanted, label: str) -> list[FrozenTrial]:
    """Return the complete trainings of a table, which does not have the curves of others."""
    header, space = table.header, wanted.space.distributions
    values = _value_columns(table, column, wanted)
    columns = {key: _column(table, key) for key in space}
    choices = {
        columns[key]: each.choices
        for key, each in space.items()
        if isinstance(each, CategoricalDistribution)
    }
    others = [name for name in header if name.startswith(PARAMS) and name not in columns.values()]
    figures = [name for name in header if name.startswith(OF_FIGURES)]
    numeric = [*values, *(name for name in columns.values() if name not in choices), *figures]
    numbers = dict(zip(numeric, table.numbers(numeric).T.tolist(), strict=True))

    def found(row: int) -> _Found | str:
        cells = dict(zip(header, map(str.strip, table.rows[row]), strict=True))
        if cells.get("state", "").lower() not in ("", "complete"):
            return "not complete"
        params: dict[str, Any] = {name: cells[name] for name in others if cells[name]}
        for key, name in columns.items():
            is_there = cells[name] or {None, ""} & {*choices.get(name, ())}
            if is_there:
                params[key.lstrip("+~")] = cells[name] if name in choices else numbers[name][row]
        given = {name.removeprefix(OF_FIGURES): numbers[name][row] for name in figures}
        finite = {name: figure for name, figure in given.items() if math.isfinite(figure)}
        return _Found(params, [numbers[name][row] for name in values], finite)

    return _fitting(label, map(found, range(len(table.rows))), wanted)


def _value_columns(table: Table, column: str | None, wanted: Wanted) -> Sequence[str]:
    names = wanted.goals.names or numbered(len(wanted.directions))
    if column is not None:
        if len(names) > 1:
            raise ValueError(f"{table.path}: its values must be in columns {', '.join(names)}")
        names = [column]
    for name in names:
        if name not in table.header:
            more = f"; another one: {table.path}::COLUMN" if len(names) == 1 else ""
            raise ValueError(f"{table.path}: no column {name} with the objective{more}")
    return names


def _column(table: Table, key: str) -> str:
    plain = key.lstrip("+~")
    others = (f"{PARAMS}{mark}{plain}" for mark in ("", "+", "++"))
    own = next((name for name in (PARAMS + key, *others) if name in table.header), None)
    try:
        return column_of(key, table.header) if own is None else own
    except ValueError as error:
        raise ValueError(f"{table.path}: {error}") from error


def _fitting(label: str, found: Iterable[_Found | str], wanted: Wanted) -> list[FrozenTrial]:
    """Return the trials that fit; log how many, and why others do not.

    Raises:
        ValueError: none does.
    """
    trials, reasons = list[FrozenTrial](), Counter[str]()
    for each in found:
        trial = each if isinstance(each, str) else _fit(each, wanted, label)
        if isinstance(trial, str):
            reasons[trial] += 1
        else:
            trials.append(trial)
    left_out = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    if not trials:
        raise ValueError(f"none of its trials can be added: {left_out or 'it has none'}")
    more = f"; left out: {left_out}" if left_out else ""
    _log.info("%d finished trials of %s to begin with%s", len(trials), label, more)
    return trials


def _fit(found: _Found, wanted: Wanted, label: str) -> FrozenTrial | str:
    """Return a trial of today's study, or why there is none."""
    space = wanted.space
    keys = {key.lstrip("+~"): key for key in space.distributions}
    if found.params.keys() - keys.keys():
        return "with other keys than those searched"
    if keys.keys() - found.params.keys():
        return "without all searched keys"
    try:
        params = {key: value_today(space, key, found.params[plain]) for plain, key in keys.items()}
    except ValueError:
        return "outside of the search space"
    is_complete = found.state == TrialState.COMPLETE
    # A pruned trial of several objectives has the one that it has reported: its curve tells it.
    has_all = len(found.values) == len(wanted.directions)
    has_value = has_all and all(map(math.isfinite, found.values))
    if is_complete and not has_value:
        return "without a finite value"
    if not is_complete and not found.steps and not found.more:
        return "without a value"
    bounds = wanted.goals.constraints if is_complete else {}
    for name in bounds:
        if name not in found.figures:
            return f"without the figure {name}"
    run = {"overrides": space.overrides(params)}
    figures = {FIGURES: dict(found.figures)} if found.figures else {}
    return create_trial(
        state=found.state,
        values=[*found.values] if has_value else None,
        params=params,
        distributions=dict(space.distributions),
        intermediate_values=dict(found.steps),
        user_attrs={ADDED: label, RUN: run, **figures, **found.more},
        constraints={name: bound.excess(found.figures[name]) for name, bound in bounds.items()},
    )
