"""Pictures of the work: what each worker did when, and what the hours were spent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from commons.picture_style import GREEN, INK, Picture, key, note, number, short
from hpo.attributes import seconds_of
from hpo.reporting.spans import Span, spans_of
from hpo.reporting.style import COLORS, NAMES, PALE
from hpo.reporting.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_ROWS = 40  # workers with a row of their own; of more, the number at work is drawn
_MAX_NUMBERED = 20  # rows that are high enough for the numbers of trials
_DIGIT, _AROUND = 0.075, 0.06  # width of a digit in a bar, and of the space around it (inches)
_LIGHT = (TrialState.PRUNED, TrialState.WAITING)  # bars of these colors have dark numbers
_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0))


@dataclass(frozen=True)
class _TimeAxis:
    """An axis that begins at a Unix time."""

    begin: float
    unit: str
    scale: float  # seconds

    def bar(self, begin: float, end: float) -> tuple[float, float]:
        """Return the left end and the width of a bar."""
        return (begin - self.begin) / self.scale, (end - begin) / self.scale


def draw_timeline(subject: Subject, path: Path) -> Path:
    """Draw when each worker trained which trial; for many workers, how many were at work.

    See `spans_of` for what is known of trials that were paused.
    """
    spans = spans_of(subject.trials)
    present = {name: (r["start"], r["end"]) for name, r in subject.workers.items()}
    names = sorted({*present, *(span.worker for span in spans)}, key=_by_number)
    are_rows = len(names) <= _MAX_ROWS
    height = min(6.0, max(2.4, 1.4 + 0.22 * len(names))) if are_rows else None
    picture = Picture(f"{subject.name}: what the workers did when", height=height)
    if not spans:
        picture.say("no trial has begun")
        return picture.save(path)
    (panel,) = picture.panels
    times = [*present.values(), *((span.begin, span.end) for span in spans)]
    begin, end = min(begin for begin, _ in times), max(end for _, end in times)
    axis = _TimeAxis(begin, *unit_of(end - begin))
    panel.set(xlim=(0, 1.01 * axis.bar(begin, end)[1]))
    panel.set_xlabel(f"time since {_clock(begin)} [{axis.unit}]")
    if are_rows:
        _draw_rows(panel, axis, names, spans, present)
    else:
        _draw_numbers(panel, axis, spans, present)
    parts = {span.trial.number for span in spans if span.is_part}
    if parts:
        note(panel, f"resumed trials, drawn from their last start on: {len(parts)}")
    key(panel)
    return picture.save(path)


def _draw_rows(
    panel: Axes,
    axis: _TimeAxis,
    names: Sequence[str],
    spans: Sequence[Span],
    present: Mapping[str, tuple[float, float]],
) -> None:
    """Draw a row per worker: the time in which it was there, with the trials before it."""
    rows = {name: row for row, name in enumerate(names)}
    for name, times in present.items():
        label = "worker present" if name == next(iter(present)) else None
        panel.broken_barh([axis.bar(*times)], (rows[name] - 0.4, 0.8), color=PALE, label=label)
    edge = 0.4 if len(spans) < 60 * len(names) else 0.0  # it would cover thin bars
    for state, told in NAMES.items():
        some = [span for span in spans if span.trial.state == state]
        if some:
            label = f"{len({span.trial.number for span in some})} {told}"
            left, width = zip(*(axis.bar(span.begin, span.end) for span in some), strict=True)
            places, color = [rows[span.worker] for span in some], COLORS[state]
            panel.barh(
                places, width, left=left, color=color, label=label, edgecolor="white", lw=edge
            )
    if len(names) <= _MAX_NUMBERED:
        _write_numbers(panel, axis, rows, spans)
    _name_rows(panel, names)


def _write_numbers(
    panel: Axes, axis: _TimeAxis, rows: Mapping[str, int], spans: Sequence[Span]
) -> None:
    """Write the number of its trial into each bar that has room for it."""
    inches = panel.get_position().width * panel.figure.get_figwidth()  # type: ignore[union-attr]
    per_unit = inches / panel.get_xlim()[1]
    for span in spans:
        left, width = axis.bar(span.begin, span.end)
        text = str(span.trial.number)
        if width * per_unit >= _DIGIT * len(text) + _AROUND:
            panel.text(
                left + width / 2,
                rows[span.worker],
                text,
                ha="center",
                va="center",
                fontsize=7.5,
                color=INK if span.trial.state in _LIGHT else "white",
            )


def _name_rows(panel: Axes, names: Sequence[str]) -> None:
    """Name the rows by their workers: by number alone, if all are of one launch."""
    launches = {name.rpartition("/")[0] for name in names}
    labels = [name.rpartition("/")[2] if len(launches) == 1 else short(name, 22) for name in names]
    panel.set_yticks(range(len(names)), labels, fontsize=8 if len(names) < 20 else 6)
    panel.set_ylim(len(names) - 0.5, -0.5)  # the first one on top
    panel.set_ylabel("trials at once" if launches == {""} else "worker")
    if len(launches) > 1:
        panel.figure.subplots_adjust(left=0.25)


def _draw_numbers(
    panel: Axes,
    axis: _TimeAxis,
    spans: Sequence[Span],
    present: Mapping[str, tuple[float, float]],
) -> None:
    """Draw how many workers were there, and how many of them trained a trial that is known."""
    at_work = [(span.begin, span.end) for span in spans]
    drawn = ([*present.values()], PALE, "present"), (at_work, GREEN, "at work")
    for times, color, label in drawn:
        if times:
            moments, n = busy(times)
            places = (moments - axis.begin) / axis.scale
            panel.fill_between(places, n, step="post", color=color, label=label)
    panel.set(ylabel="workers")
    panel.set_ylim(bottom=0)


def _by_number(name: str) -> tuple[str, int, str]:
    """Return what sorts workers by launch and number: 2 before 10."""
    launch, _, place = name.rpartition("/")
    return launch, len(place), place


def draw_cost(subject: Subject, path: Path) -> Path:
    """Draw the worker hours by outcome, and those that pruning has saved."""
    picture = Picture(f"{subject.name}: where the worker time went", height=2.8)
    (panel,) = picture.panels
    used = {
        name: sum(seconds_of(t) for t in subject.trials if t.state == state)
        for state, name in NAMES.items()
    }
    saved = subject.summary.worker_hours["saved"] * 3600
    bars = {**used, "saved by pruning (about)": saved}
    shown = {name: value for name, value in bars.items() if value > 0}
    if not shown:
        picture.say("nothing was spent yet")
        return picture.save(path)
    unit, scale = unit_of(max(shown.values()))
    colors = {name: COLORS[state] for state, name in NAMES.items()}
    names, values = [*shown][::-1], [value / scale for value in shown.values()][::-1]
    faces = [colors.get(name, "white") for name in names]
    edges = [colors.get(name, GREEN) for name in names]
    panel.barh(names, values, color=faces, edgecolor=edges, linewidth=1.2)
    for place, value in enumerate(values):
        panel.text(value, place, f"  {number(value)} {unit}", va="center", color=INK, fontsize=9)
    panel.set(
        xlabel=f"time of workers inside the application [{unit}]", xlim=(0, 1.2 * max(values))
    )
    picture.figure.subplots_adjust(left=0.3, bottom=0.22, top=0.85)
    return picture.save(path)


def unit_of(seconds: float) -> tuple[str, float]:
    """Return the unit in which a time is between one and some hundred, and its seconds.

    >>> unit_of(7200)
    ('min', 60.0)
    """
    fitting = [unit for unit in _UNITS if seconds >= 3 * unit[1]]
    return fitting[-1] if fitting else _UNITS[0]


def busy(spans: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the times at which the number of spans changes, and the number from then on."""
    changes = [(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans]
    moments, steps = np.array(sorted(changes)).T
    return moments, np.cumsum(steps)


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
