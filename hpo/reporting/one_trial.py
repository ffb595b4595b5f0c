"""All that is known of one trial."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from commons.cli import UsageError
from commons.console import Table
from commons.picture_style import number
from hpo.attributes import CODE, RETRIES, stored
from hpo.reporting.default import value_told
from hpo.reporting.rerun import program
from hpo.reporting.rows import figures_of, folder_of, rows_of
from hpo.reporting.subject import Subject

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48  # of a curve in characters
_LAST_LINES = 12  # of an error, and of a log
_TAIL_BYTES = 1 << 16
_TRACEBACK = "Traceback (most recent call last):"


def find_trial(subject: Subject, wanted: int) -> FrozenTrial:
    """Return a trial by its number.

    Raises:
        UsageError: the study has none.
    """
    for trial in subject.trials:
        if trial.number == wanted:
            return trial
    numbers = [trial.number for trial in subject.trials]
    known = f"trials {min(numbers)} to {max(numbers)}" if numbers else "no trial"
    raise UsageError(f"trial={wanted}: the study has {known}")


def describe_trial(subject: Subject, trial: FrozenTrial, folder: Path) -> Table:
    """Return what is known of a trial as a table; `folder` is that of the study."""
    rows = Table(show_header=False, title=f"trial {trial.number} of study {subject.name}")
    rows.title_justify = "left"
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in facts_of(subject, trial, folder).items():
        if text:
            rows.add_row(name, text)
    return rows


def facts_of(subject: Subject, trial: FrozenTrial, folder: Path) -> dict[str, str]:
    """Return what is known of a trial: text by name; empty: it is not known."""
    (row,) = rows_of(subject, folder, [trial])
    own = folder_of(folder, trial.number)
    codes = stored(trial.user_attrs, CODE, [])
    return {
        "state": _state(trial, row),
        ", ".join(subject.metrics): _value(subject, trial),
        "curve": sparkline(trial.intermediate_values),
        "parameters": _lines(trial.params),
        "figures": _lines(figures_of(trial)),
        "worker": " on ".join(str(row[key]) for key in ("worker", "host") if key in row),
        "time": _time(row),
        "retries": str(stored(trial.system_attrs, RETRIES, 0) or ""),
        "folder": str(own) if own.is_dir() else "",
        "run it alone": _alone(subject, own),
        "code": "\n".join(_line(each) for each in codes),
        "error": last_error(own) if trial.state == TrialState.FAIL else "",
    }


def sparkline(values: Mapping[int, float], width: int = _WIDTH) -> str:
    """Return a learning curve as one line of text: first and last value, and bars between.

    >>> sparkline({1: 3.0, 2: 2.0, 3: 1.0})
    'epoch 1: 3 █▅▁ epoch 3: 1'
    """
    steps = sorted(values)
    finite = [values[step] for step in steps if math.isfinite(values[step])]
    if not finite:
        return ""
    chosen = steps if len(steps) <= width else _spread(steps, width)
    low, span = min(finite), max(finite) - min(finite)
    bars = "".join(_bar(values[step], low, span) for step in chosen)
    ends = [f"epoch {step}: {value_told(values[step])}" for step in (steps[0], steps[-1])]
    return f"{ends[0]} {bars} {ends[1]}"


def _spread(steps: Sequence[int], width: int) -> list[int]:
    return [steps[round(place * (len(steps) - 1) / (width - 1))] for place in range(width)]


def _bar(value: float, low: float, span: float) -> str:
    if not math.isfinite(value):
        return "!"
    return _BARS[round((value - low) / span * (len(_BARS) - 1))] if span else _BARS[0]


def last_error(folder: Path) -> str:
    """Return the end of the last traceback in the logs of a trial; empty: there is none."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for log in reversed(logs):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        _, found, rest = text.rpartition(_TRACEBACK)
        if found:
            lines = rest.strip("\n").splitlines()
            own = [line for n, line in enumerate(lines) if n < _end_of(lines)]
            return "\n".join(["...", *own[-_LAST_LINES:], f"({log})"])
    return ""


def _end_of(lines: Sequence[str]) -> int:
    """Return where a traceback ends: after its first line that is not indented."""
    ends = [n for n, line in enumerate(lines) if line and not line.startswith(" ")]
    return ends[0] + 1 if ends else len(lines)


def _state(trial: FrozenTrial, row: Mapping[str, Any]) -> str:
    reason = row.get("reason")
    return f"{trial.state.name.lower()}: {reason}" if reason else trial.state.name.lower()


def _value(subject: Subject, trial: FrozenTrial) -> str:
    if trial.values and trial.state == TrialState.COMPLETE:
        ranked = [t for t in reversed(subject.begun) if t.state == TrialState.COMPLETE]
        place = f"rank {ranked.index(trial) + 1} of {len(ranked)} complete trials"
        place += f" by {subject.metric}" if len(subject.metrics) > 1 else ""
        return f"{', '.join(map(value_told, trial.values))} ({place})"
    return ""


def _lines(values: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name}={number(value) if isinstance(value, float) else value}"
        for name, value in values.items()
    )


def _time(row: Mapping[str, Any]) -> str:
    spans = [str(row[key]) for key in ("started", "ended") if key in row]
    if not spans:
        return ""
    inside = f"{timedelta(seconds=round(row['seconds']))} inside the application"
    return f"{' to '.join(spans)}; {inside}"


def _alone(subject: Subject, folder: Path) -> str:
    if not (folder / ".hydra").is_dir():
        return ""
    place = shlex.quote(str(folder / ".hydra"))
    return f"{program(subject.attributes)} --config-dir {place} --config-name config"


def _line(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
