"""The trials of a study as rows: `trials.csv`, the table of the page, a DataFrame."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from commons.files import replacing
from commons.terminal import one_line
from hpo.attributes import FIGURES, LEASE, RETRIES, added_from, seconds_of, stored
from hpo.reporting.causes import cause_of
from hpo.reporting.pareto import is_feasible
from hpo.reporting.subject import Subject, worker_of
from hpo.reporting.summary import n_epochs

_REASON_OF = {TrialState.FAIL, TrialState.PRUNED}
PARAMS, OF_FIGURES = "params.", "figures."  # + name: columns


def columns_of(subject: Subject) -> list[str]:
    """Return the names of the columns, in order.

    `number`, `state`, one per objective (a pruned trial has the last value
    of the reported one), `feasible` if there are constraints, `front` with
    several objectives, `epochs`, `params.KEY` of each hyperparameter,
    `figures.NAME` of each figure beside the value, `seconds` inside the application, `worker`,
    `host`, `retries`, `reason` of its end, `started`, `ended`, `folder`.
    """
    params = dict.fromkeys(key for trial in subject.trials for key in trial.params)
    figures = dict.fromkeys(name for trial in subject.trials for name in figures_of(trial))
    return [
        *("number", "state", *subject.metrics, *_kinds(subject), "epochs"),
        *(f"{PARAMS}{key}" for key in params),
        *(f"{OF_FIGURES}{name}" for name in figures),
        *("seconds", "worker", "host", "retries", "reason", "started", "ended", "folder"),
    ]


def rows_of(
    subject: Subject, folder: Path | None, trials: Iterable[FrozenTrial] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the row of each trial, by default of all: value by column; what is not known lacks.

    `folder` is that of the study, which has those of the trials.
    """
    columns, front = columns_of(subject), {*subject.summary.front}
    for trial in subject.trials if trials is None else trials:
        row: dict[str, Any] = {"number": trial.number, "state": trial.state.name.lower()}
        row |= _values(subject, trial)
        if trial.state == TrialState.COMPLETE:
            row |= {"feasible": is_feasible(trial), "front": trial.number in front}
        row["epochs"] = n_epochs(trial)
        row |= {f"{PARAMS}{key}": value for key, value in trial.params.items()}
        row |= {f"{OF_FIGURES}{name}": value for name, value in figures_of(trial).items()}
        if (source := added_from(trial)) is None:
            row |= _work(subject, trial, folder)
        else:
            row["reason"] = one_line(f"added from {source}")
        yield {name: row[name] for name in columns if row.get(name) is not None}


def _kinds(subject: Subject) -> list[str]:
    """Return the columns that tell which trials can be the best."""
    has_constraints = any(trial.constraints for trial in subject.trials)
    several = len(subject.metrics) > 1
    return ["feasible"] * has_constraints + ["front"] * several


def write_csv(subject: Subject, folder: Path | None, path: Path) -> Path:
    """Write a CSV file with one row per trial; return its path."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns_of(subject), restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows_of(subject, folder):
            writer.writerow({name: _text(value) for name, value in row.items()})
    return path


def figures_of(trial: FrozenTrial) -> dict[str, float]:
    """Return the figures beside the best value of a trial."""
    return dict(stored(trial.user_attrs, FIGURES, {}))


def folder_of(study_folder: Path, number: int) -> Path:
    """Return the folder of a trial."""
    return study_folder / "trials" / f"{number:04d}"


def _values(subject: Subject, trial: FrozenTrial) -> dict[str, float]:
    if trial.values:
        return dict(zip(subject.metrics, trial.values, strict=True))
    last = subject.last_value(trial)
    return {} if last is None else {subject.metric: last}


def _work(subject: Subject, trial: FrozenTrial, folder: Path | None) -> dict[str, Any]:
    has_folder = folder is not None and trial.state != TrialState.WAITING
    return {
        "seconds": round(seconds_of(trial), 3),
        **_whereabouts(subject, trial),
        "reason": one_line(cause_of(trial)) if trial.state in _REASON_OF else None,
        "started": _moment(trial.datetime_start),
        "ended": _moment(trial.datetime_complete),
        "folder": str(folder_of(folder, trial.number)) if folder and has_folder else None,
    }


def _whereabouts(subject: Subject, trial: FrozenTrial) -> dict[str, Any]:
    worker = worker_of(trial)
    record = subject.workers.get(worker, {})
    # That of a lease names the namespace of its processes too.
    host = (
        record.get("host")
        or stored(trial.system_attrs, LEASE, {}).get("host", "").partition(" ")[0]
    )
    return {
        "worker": worker or None,
        "host": str(host) if host else None,
        "retries": stored(trial.system_attrs, RETRIES, 0),
    }


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(sep=" ", timespec="seconds")


def _text(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value
