"""The default configuration beside the best trial: a picture of both curves, a table of both."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from commons.pages import sortable
from commons.picture_labels import heights_beside
from commons.picture_style import BLUE, Picture, value_axis, whole_numbers
from commons.terminal import one_line
from hpo.reporting.default import compared, value_told
from hpo.reporting.rows import figures_of
from hpo.reporting.style import BEST
from hpo.reporting.subject import Subject


def has_two_curves(subject: Subject) -> bool:
    """Tell whether the default and another, best trial have reported values."""
    default, best = default_of(subject), subject.best
    if default is None or best is None or best is default:
        return False
    return bool(default.intermediate_values and best.intermediate_values)


def draw_comparison(subject: Subject, path: Path) -> Path:
    """Draw the learning curves of the default and of the best trial, each with its value."""
    default, best = default_of(subject), subject.best
    assert default is not None
    assert best is not None
    picture = Picture(f"{subject.name}: default configuration and best trial", label_room=1.7)
    (panel,) = picture.panels
    named = (("default", default, BLUE), ("best", best, BEST))
    curves = [sorted(trial.intermediate_values.items()) for _, trial, _ in named]
    values = [value for curve in curves for _, value in curve]
    value_axis(panel, subject.metric, values, (), subject.sign)
    for (_, _, color), curve in zip(named, curves, strict=True):
        panel.plot(*zip(*curve, strict=True), ".-", color=color, linewidth=2)
    panel.set_xlabel("epoch (step)")
    panel.margins(x=0.02)
    panel.autoscale(axis="x")
    whole_numbers(panel.xaxis)
    heights = heights_beside(panel, [curve[-1] for curve in curves], n_lines=2)
    for (name, trial, color), curve, height in zip(named, curves, heights, strict=True):
        point = subject.point_of(trial) or curve[-1]
        panel.plot(*point, "o", color=color, markersize=8)
        panel.annotate(
            f"{name} (trial {trial.number}):\n{_told(trial, point)}",
            (curve[-1][0], height),
            xycoords=("data", "axes fraction"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontweight="bold",
            fontsize=9,
        )
    return picture.save(path)


def _told(trial: FrozenTrial, point: tuple[int, float]) -> str:
    """Return the value of a trial, with its epoch if it has reported it."""
    step, value = point
    is_reported = trial.intermediate_values[step] == value
    return value_told(value) + (f" at epoch {step}" if is_reported else "")


def comparison_table(subject: Subject) -> str:
    """Return HTML: values, figures and the hyperparameters that differ, side by side.

    Empty without a default or without a best trial.
    """
    default, best, told = default_of(subject), subject.best, subject.summary.default
    if default is None or best is None or told is None:
        return ""
    lead = f"<p>{escape(one_line(str(told)))}.</p>"
    if best is default:
        return lead
    at = "" if told.step is None else f" at epoch {told.step}"
    values = [replace(each, name=f"{each.name}{at}") for each in told.values]
    if told.step is None:
        own, other = figures_of(default), figures_of(best)
        both = [name for name in own if name in other and name not in subject.metrics]
        values += [compared(name, own[name], other[name]) for name in both]
    rows: list[tuple[Any, ...]] = [
        (each.name, each.value, each.best_value, each.change_told) for each in values
    ]
    keys = [*dict.fromkeys([*default.params, *best.params])]
    pairs = {key: (default.params.get(key), best.params.get(key)) for key in keys}
    rows += [(key, *map(_shown, pair), None) for key, pair in pairs.items() if pair[0] != pair[1]]
    same = [key for key, pair in pairs.items() if pair[0] == pair[1]]
    note = f"<p>{escape(one_line('Unchanged: ' + ', '.join(same)))}.</p>" if same else ""
    headings = ("", f"default (trial {default.number})", f"best (trial {best.number})", "change")
    return lead + sortable(headings, rows) + note


def default_of(subject: Subject) -> FrozenTrial | None:
    """Return the trial of the default configuration, when it has ended; None: there is none."""
    told = subject.summary.default
    number = None if told is None else told.number
    return next((trial for trial in subject.trials if trial.number == number), None)


def _shown(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number or value is None else str(value)
