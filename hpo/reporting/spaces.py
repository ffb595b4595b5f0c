"""Pictures of the search space: parallel coordinates, and the value along each hyperparameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from commons.picture_style import (
    GRAY,
    INK,
    Picture,
    key,
    logarithmic,
    number,
    plain,
    short,
    value_axis,
)
from commons.unit_cube import apart
from hpo.reporting.plots import thinned
from hpo.reporting.style import BEST, COLORS
from hpo.reporting.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_KEYS = 16
_MAX_CHOICES = 12  # named on an axis
_COLUMNS = 3
_MAX_BESIDE = 66  # characters of names in a line below the panel
_FEW_TICKS = 50  # from this ratio on powers of 10 are enough
_BEYOND = 0.03  # of the height: where values outside of their range are drawn


def draw_parallel(subject: Subject, path: Path) -> Path:
    """Draw each trial as a line over its hyperparameters; dark is good, the best one is marked."""
    from matplotlib.collections import LineCollection

    picture = Picture(f"{subject.name}: parallel coordinates")
    shown = thinned([t for t in subject.begun if t.params])
    keys = searched(shown)[:_MAX_KEYS]
    if len(keys) < 2:
        picture.say("fewer than two hyperparameters are searched")
        return picture.save(path)
    (panel,) = picture.panels
    places = np.array([[place_of(trial, key) for key in keys] for trial in shown])
    rows = np.clip(places, -_BEYOND, 1 + _BEYOND)  # a default may be outside of the range
    lines = np.stack([np.broadcast_to(np.arange(len(keys)), rows.shape), rows], axis=2)
    colors = _colors(len(shown))
    panel.add_collection(LineCollection([*lines], colors=colors, linewidths=0.9))
    best = next((n for n, trial in enumerate(shown) if trial is subject.best), None)
    if best is not None:
        panel.plot(
            rows[best], color=BEST, linewidth=2.2, label=f"best: trial {shown[best].number}"
        )
    for place, name in enumerate(keys):
        _coordinate(panel, place, _latest(shown, name))
    panel.set(xlim=(-0.1, len(keys) - 0.7), ylim=(-_BEYOND - 0.01, 1.01 + _BEYOND), yticks=[])
    labels = [short(name, 24) for name in keys]
    turn = 20 if len(keys) * max(map(len, labels)) > _MAX_BESIDE else 0
    panel.set_xticks(range(len(keys)), labels, rotation=turn, ha="right" if turn else "center")
    panel.tick_params(labelsize=8.5)
    panel.spines["left"].set_visible(False)
    panel.plot([], [], color=colors[-1], label=f"good {subject.metric}"[:60])
    panel.plot([], [], color=colors[0], label="bad")
    key(panel)
    left = max(0.12, 0.03 + 0.009 * len(labels[0])) if turn else 0.12
    picture.figure.subplots_adjust(left=left, right=0.95, bottom=0.24 if turn else 0.12)
    return picture.save(path)


def draw_slices(subject: Subject, path: Path) -> Path:
    """Draw the last value of each trial along each hyperparameter, pruned ones gray."""
    shown = [t for t in subject.begun if t.params]
    keys = searched(shown)[:_MAX_KEYS]
    rows = max(1, math.ceil(len(keys) / _COLUMNS))
    columns = min(_COLUMNS, max(1, len(keys)))
    title = f"{subject.name}: {short(subject.metric, 30)} along each hyperparameter"
    picture = Picture(title, rows, columns, height=1.0 + 2.1 * rows)
    lasts = [value for trial in shown if (value := subject.last_value(trial)) is not None]
    for panel, name in zip(picture.panels, keys, strict=False):
        value_axis(panel, "", lasts, lasts, subject.sign)
        _slice(panel, subject, [t for t in shown if name in t.params], name)
    for panel in picture.panels[len(keys) :]:
        panel.set_axis_off()
    if not keys:
        picture.say("no trial has a value yet")
    key(picture.panels[0])
    return picture.save(path)


def _slice(panel: Axes, subject: Subject, trials: Sequence[FrozenTrial], name: str) -> None:
    space, (low, high) = _latest(trials, name), panel.get_ylim()
    inside = [t for t in trials if low <= (subject.last_value(t) or 0.0) <= high]
    others = [t for t in inside if t.state != TrialState.COMPLETE]
    complete = [t for t in inside if t.state == TrialState.COMPLETE]
    best = [trial for trial in complete if trial is subject.best]
    sets = (
        (others, GRAY, 3, "not complete"),
        (complete, COLORS[TrialState.COMPLETE], 4, "complete"),
        (best, BEST, 7, "best"),
    )
    for some, color, size, label in sets:
        values = [subject.last_value(trial) or 0.0 for trial in some]
        along = _along(some, name, space)
        panel.plot(along, values, "o", color=color, markersize=size, mew=0, label=label)
    panel.set_xlabel(short(name, 26), fontsize=9)
    panel.tick_params(labelsize=8)
    if isinstance(space, CategoricalDistribution):
        labels = [short(choice, 9) for choice in space.choices[:_MAX_CHOICES]]
        panel.set_xticks(range(len(labels)), labels)
        panel.set_xlim(-0.5, len(space.choices) - 0.5)
    elif getattr(space, "log", False):
        panel.set_xscale("log")
        first, last = panel.get_xlim()
        logarithmic(panel, "x", (1,) if last > _FEW_TICKS * first else (1, 2, 5))
    panel.tick_params(axis="x", rotation=30 if _is_crowded(space) else 0)


def _is_crowded(space: BaseDistribution) -> bool:
    return isinstance(space, CategoricalDistribution) and len(space.choices) > 4


def _along(trials: Sequence[FrozenTrial], name: str, space: BaseDistribution) -> list[float]:
    if isinstance(space, CategoricalDistribution):
        return [_choice(space, trial.params[name]) for trial in trials]
    return [float(trial.params[name]) for trial in trials]


def searched(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the keys that have different values in these trials, in order."""
    keys = dict.fromkeys(key for trial in trials for key in trial.params)
    return [key for key in keys if not _latest(trials, key).single()]


def place_of(trial: FrozenTrial, name: str) -> float:
    """Return where the value of a key is in its range, 0 to 1; nan: the trial has none."""
    if name not in trial.params:
        return math.nan
    space, value = trial.distributions[name], trial.params[name]
    if space.single():
        return 0.5
    if isinstance(space, CategoricalDistribution):
        return _choice(space, value) / (len(space.choices) - 1)
    return float(apart(space, space.low, value))  # type: ignore[attr-defined]


def _choice(space: CategoricalDistribution, value: Any) -> float:
    return float(space.to_internal_repr(value))


def _latest(trials: Sequence[FrozenTrial], name: str) -> BaseDistribution:
    newest = max((t for t in trials if name in t.distributions), key=lambda t: t.number)
    return newest.distributions[name]


def _coordinate(panel: Axes, place: int, space: BaseDistribution) -> None:
    panel.axvline(place, color=INK, linewidth=0.8, zorder=1)
    for height, text in _ticks(space):
        panel.text(
            place + 0.03,
            height,
            text,
            fontsize=7.5,
            color=INK,
            va="center",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.6},
        )


def _ticks(space: Any) -> list[tuple[float, str]]:
    if isinstance(space, CategoricalDistribution):
        last = max(1, len(space.choices) - 1)
        shown = enumerate(space.choices[:_MAX_CHOICES])
        return [(place / last, short(choice, 12)) for place, choice in shown]
    middle = math.sqrt(space.low * space.high) if space.log else (space.low + space.high) / 2
    ends = [(0.0, plain(number(space.low))), (1.0, plain(number(space.high)))]
    return [*ends, (0.5, plain(number(middle)))]


def _colors(n: int) -> NDArray[np.float64]:
    """Return n colors from light gray (the worst) to dark blue (the best), shape (n, 4)."""
    share = (np.arange(n) / max(1, n - 1))[:, None] ** 3
    light, dark = np.array([0.72, 0.72, 0.72, 0.5]), np.array([0.0, 0.27, 0.42, 0.9])
    return np.asarray(light + share * (dark - light))
