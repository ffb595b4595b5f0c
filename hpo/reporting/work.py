"""Pictures of the work: what each worker did when, and what the hours were spent on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from commons.picture_style import GREEN, INK, Picture, key, number, short
from hpo.attributes import added_from, seconds_of
from hpo.reporting.style import COLORS
from hpo.reporting.subject import Subject, worker_of

_MAX_ROWS = 40  # workers with a row of their own; of more, the number at work is drawn
_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0))
_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def draw_timeline(subject: Subject, path: Path) -> Path:
    """Draw when each worker trained which trial; for many workers, how many were at work."""
    spans = {t.number: span for t in subject.trials if (span := _span(t)) is not None}
    trials = [trial for trial in subject.trials if trial.number in spans]
    names = sorted({worker_of(trial) for trial in trials})
    height = min(6.0, max(2.4, 1.4 + 0.22 * len(names))) if len(names) <= _MAX_ROWS else None
    picture = Picture(f"{subject.name}: what the workers did when", height=height)
    if not spans:
        picture.say("no trial has begun")
        return picture.save(path)
    (panel,) = picture.panels
    begin = min(start for start, _ in spans.values())
    unit, scale = unit_of(max(end for _, end in spans.values()) - begin)
    for state, name in _NAMES.items():
        some = [trial for trial in trials if trial.state == state]
        if some and len(names) <= _MAX_ROWS:
            rows = [names.index(worker_of(trial)) for trial in some]
            starts = np.array([(spans[t.number][0] - begin) / scale for t in some])
            lengths = np.array([(spans[t.number][1] - spans[t.number][0]) / scale for t in some])
            color, label = COLORS[state], f"{len(some)} {name}"
            panel.barh(
                rows, lengths, left=starts, color=color, label=label, edgecolor="white", lw=0.4
            )
    if len(names) <= _MAX_ROWS:
        labels = [short(name or "a worker", 16) for name in names]
        panel.set_yticks(range(len(names)), labels, fontsize=8 if len(names) < 20 else 6)
        panel.invert_yaxis()
        picture.figure.subplots_adjust(left=0.17)
    else:
        moments, n_busy = busy([spans[trial.number] for trial in trials])
        panel.fill_between((moments - begin) / scale, n_busy, step="post", color=GREEN)
        panel.set_ylabel("workers at work")
        panel.set_ylim(bottom=0)
    panel.set_xlabel(f"time since {_clock(begin)} [{unit}]")
    panel.set_xlim(left=0)
    key(panel)
    return picture.save(path)


def draw_cost(subject: Subject, path: Path) -> Path:
    """Draw the worker hours by outcome, and those that pruning has saved."""
    picture = Picture(f"{subject.name}: where the worker time went", height=2.8)
    (panel,) = picture.panels
    used = {
        name: sum(seconds_of(t) for t in subject.trials if t.state == state)
        for state, name in _NAMES.items()
    }
    saved = subject.summary.worker_hours["saved"] * 3600
    bars = {**used, "saved by pruning (about)": saved}
    shown = {name: value for name, value in bars.items() if value > 0}
    if not shown:
        picture.say("nothing was spent yet")
        return picture.save(path)
    unit, scale = unit_of(max(shown.values()))
    colors = {name: COLORS[state] for state, name in _NAMES.items()}
    names, values = [*shown][::-1], [value / scale for value in shown.values()][::-1]
    faces = [colors.get(name, "white") for name in names]
    edges = [colors.get(name, GREEN) for name in names]
    panel.barh(names, values, color=faces, edgecolor=edges, linewidth=1.2)
    for place, value in enumerate(values):
        panel.text(value, place, f"  {number(value)} {unit}", va="center", color=INK, fontsize=9)
    panel.set(
        xlabel=f"time of workers inside the application [{unit}]", xlim=(0, 1.15 * max(values))
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


def _span(trial: FrozenTrial) -> tuple[float, float] | None:
    """Return begin and end (Unix time); a trial that goes on has the time that it was trained."""
    if trial.datetime_start is None or trial.state == TrialState.WAITING:
        return None
    if added_from(trial) is not None:
        return None
    start = trial.datetime_start.timestamp()
    ended = trial.datetime_complete
    end = ended.timestamp() if ended is not None else start + seconds_of(trial)
    return start, max(end, start)


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
