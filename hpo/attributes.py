"""Names of what a study stores beside Optuna's own fields: a file format.

docs/reference/sweep_settings.md has the table.

A study has user attributes. A trial has user attributes for people and system attributes for
workers.

Other programs may write there too, so a value is read with `stored`: one of the wrong type counts
as absent, and `hpo.doctor` names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeVar

# Of a study.
N_TRIALS = "hpo:n_trials"  # trials of the study when it is finished
SPACE = "hpo:space"  # search space: distribution by key
FIXED = "hpo:fixed"  # fixed overrides: value by key
LEASE_S = "hpo:lease_s"  # seconds without a heartbeat after which a worker is considered dead
TIME = "hpo:time_s"  # how long it was worked on under a time limit
CUSTOM_SPACE = "hpo:custom_search_space"  # function that suggests more, or None
STUDY_ID = "hpo:study_id"  # unique; a folder that belongs to the study has it too
FOLDER = "hpo:folder"  # the sweep folder, absolute
COMMAND_CODE = "hpo:code"  # code and configuration of the last command
COMMAND = "hpo:command"  # how the last command was typed: script or module, arguments, folder
BEST = "hpo:best"  # weight of each of several objectives in what makes a trial the best
SOURCES = "hpo:added"  # what the study began with: the sources of all its added trials
REPORTED = "hpo:reported"  # of several objectives the index of the one that trials report
APP = "hpo:app"  # what `hpo.reporting.best` needs to know of the application
WORKER = "hpo:worker:"  # + name of a worker: its figures, see `hpo.study.record`
LAUNCH = "hpo:launch:"  # + launch id: a SLURM array and the command that watches it

# Of a trial, for workers.
LEASE = "hpo:lease"  # its worker, see `hpo.study.lease`
BEAT = "hpo:beat"  # id of a lease, how often its owner has shown life, see `hpo.study.lease`
PACE = "hpo:pace"  # intervals between its reports: how many, and the slowest (s)
RETRIES = "hpo:retries"  # how often it was given back without progress
PAUSED = "hpo:paused"  # the step at which a policy paused it
PARENT = "hpo:parent"  # the trial whose checkpoint it began with, and that one's last step then

# Of a trial, for people.
RUN = "run"  # its overrides, its worker, the seed of its sampler
CODE = "code"  # versions of code, configuration and data that it ran with, oldest first
SECONDS = "seconds"  # wall time inside the application
COST = "cost"  # what the processes used that ended rightly, see `hpo.study.meter`
LOSSES = "losses"  # the processes that died on it, see `hpo.study.lease`
FIGURES = "figures"  # figures beside its best reported value: number by name
FAIL_REASON = "fail_reason"  # why it failed
DIVERGED = "diverged"  # the step at which its value was not finite, or a text
ENQUEUED = "enqueued"  # where its values are from: DEFAULT, a file, a study, or "given"
ADDED = "added"  # the source of a finished trial that the study began with

DEFAULT = "default"  # the configuration's own values


def stored(attributes: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Return the value of one of these names; the default if it is absent or of the wrong type.

    >>> stored({RETRIES: 2}, RETRIES, 0), stored({RETRIES: "two"}, RETRIES, 0)
    (2, 0)
    """
    return attributes[name] if name in attributes and _fits(name, attributes[name]) else default


class Marked(Protocol):
    """A trial."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """Its user attributes by name."""


class Timed(Marked, Protocol):
    """A trial with the time that it took."""

    @property
    def duration(self) -> timedelta | None:
        """From its start to its end; None: it has not ended."""


_Trial = TypeVar("_Trial", bound=Marked)


def added_from(trial: Marked) -> str | None:
    """Return the source of a finished trial that was added; None: the study has run it."""
    source: str | None = stored(trial.user_attrs, ADDED)
    return source


def seconds_of(trial: Timed) -> float:
    """Return the wall time of a trial inside the application; 0 if it is not known."""
    lasted = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return float(stored(trial.user_attrs, SECONDS, lasted))


def own_trials(trials: Iterable[_Trial]) -> list[_Trial]:
    """Return the trials that a study has run or will run, without added ones."""
    return [trial for trial in trials if added_from(trial) is None]


def all_stored(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the values of the right type by name, of the names that begin with a prefix."""
    return {k: v for k, v in attributes.items() if k.startswith(prefix) and _fits(k, v)}


def misfits(attributes: Mapping[str, Any]) -> list[str]:
    """Return the names whose value is of the wrong type, in order.

    >>> misfits({RETRIES: "two", PAUSED: None, "mine": "two"})
    ['hpo:retries']
    """
    return sorted(name for name, value in attributes.items() if not _fits(name, value))


def _fits(name: str, value: Any) -> bool:
    prefix = next((prefix for prefix in (WORKER, LAUNCH) if name.startswith(prefix)), name)
    return prefix not in _kinds or _kinds[prefix](value)


def _is_anything(_: Any) -> bool:
    return True


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_number(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(map(_is_number, value))


def _record(**kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check of a mapping that has these keys, perhaps among others."""
    return lambda value: (
        isinstance(value, dict)
        and all(key in value and kind(value[key]) for key, kind in kinds.items())
    )


def _mapping(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


def _maybe(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or kind(value)


def _is_lease(value: Any) -> bool:
    owner = {"id": "", "host": "", "pid": 0}
    return isinstance(value, dict) and _record(id=_is_text, host=_is_text, pid=_is_count)(
        owner | value
    )


def _is_app(value: Any) -> bool:
    lists = _record(searchpath=_are_texts, groups=_are_texts)
    others = _record(config_name=_maybe(_is_text))
    newer = (value.get(key, []) for key in ("own_groups", "program", "overrides"))
    return lists(value) and others(value) and all(map(_are_texts, newer))


def _is_launch(value: Any) -> bool:
    watcher = _maybe(_record(host=_is_text, pid=_is_count))
    launch = _record(job=_is_text, workers=_is_count)
    return launch(value) and watcher(value.get("watcher"))


def _is_beat(value: Any) -> bool:
    kinds = [*map(type, value)] if isinstance(value, list) else []
    return kinds[:2] == [str, int] and (not kinds[2:] or _is_pace(value[2:]))


def _is_pace(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _are_losses(value: Any) -> bool:
    loss = _record(worker=_is_text, until=_is_number, held_s=_is_number, lost_s=_is_number)
    return isinstance(value, list) and all(map(loss, value))


_kinds: dict[str, Callable[[Any], bool]] = {
    N_TRIALS: _is_count,
    SPACE: _mapping(_record(name=_is_text, attributes=_mapping(_is_anything))),
    FIXED: _mapping(_is_text),
    LEASE_S: _is_number,
    TIME: _is_number,
    CUSTOM_SPACE: _maybe(_is_text),
    STUDY_ID: _is_text,
    FOLDER: _is_text,
    BEST: _are_numbers,
    SOURCES: _are_texts,
    REPORTED: _is_count,
    COMMAND_CODE: _mapping(_is_text),
    COMMAND: _record(
        module=_maybe(_is_text), file=_maybe(_is_text), arguments=_are_texts, cwd=_is_text
    ),
    APP: _is_app,
    WORKER: _record(start=_is_number, end=_is_number, busy_s=_is_number),
    LAUNCH: _is_launch,
    LEASE: _is_lease,
    BEAT: _is_beat,
    PACE: _is_pace,
    RETRIES: _is_count,
    PAUSED: _maybe(_is_count),
    PARENT: _record(trial=_is_count, step=_is_count),
    CODE: lambda value: isinstance(value, list) and all(map(_mapping(_is_text), value)),
    RUN: _record(overrides=_are_texts),
    SECONDS: _is_number,
    COST: _mapping(_is_number),
    LOSSES: _are_losses,
    FIGURES: _mapping(_is_finite),
    ENQUEUED: _is_text,
    ADDED: _is_text,
    FAIL_REASON: _is_text,
    DIVERGED: lambda value: _is_text(value) or _is_count(value),
}
