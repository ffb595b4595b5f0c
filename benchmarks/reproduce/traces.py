"""The best value of a finished sweep so far, after each of its epochs, from the files it leaves.

E: epochs of all trials together, in the order in which they were reported. One worker.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_REPORT = 7  # Optuna's number for an intermediate value in a journal


@dataclass(frozen=True)
class Trace:
    """How a sweep got better.

    Attributes:
        best: shape (E,), the smallest value of any trial up to this epoch; inf: none was finite.
        seconds: shape (E,), time of the worker inside the application until then, with what it
            takes to begin and to resume trials.
    """

    best: Floats
    seconds: Floats


def read_trace(folder: Path) -> Trace:
    """Read the trace of the only study in a sweep folder; its values are minimized.

    Raises:
        ValueError: the journal has no reports.
    """
    reports = [*read_reports(folder / "journal.log")]
    if not reports:
        raise ValueError(f"{folder / 'journal.log'}: no trial has reported")
    values = np.array([value for _, _, value in reports])
    best = np.minimum.accumulate(np.where(np.isfinite(values), values, np.inf))
    return Trace(best, np.cumsum(_seconds(folder, reports)))


def read_reports(journal: Path) -> Iterator[tuple[int, int, float]]:
    """Yield trial, epoch and value of each report in order; of repeated epochs the first."""
    known: set[tuple[int, int]] = set()
    with journal.open() as lines:
        for line in lines:
            entry: dict[str, Any] = json.loads(line)
            if entry["op_code"] != _REPORT:
                continue
            place = entry["trial_id"], entry["step"]
            if place not in known:
                known.add(place)
                yield *place, float(entry["intermediate_value"])


def _seconds(folder: Path, reports: Sequence[tuple[int, int, float]]) -> Floats:
    """Return the time of each report: a trial's time, divided as its epochs took."""
    with (folder / "trials.csv").open(newline="") as file:
        total = {int(row["number"]): float(row["seconds"] or 0) for row in csv.DictReader(file)}
    epochs = {trial: _epoch_seconds(folder, trial) for trial in {trial for trial, _, _ in reports}}
    raw = [epochs[trial].get(epoch, 0.0) for trial, epoch, _ in reports]
    sums = dict.fromkeys(total, 0.0)
    for (trial, _, _), seconds in zip(reports, raw, strict=True):
        sums[trial] += seconds
    return np.array(
        [
            seconds * total[trial] / sums[trial] if sums[trial] else 0.0
            for (trial, _, _), seconds in zip(reports, raw, strict=True)
        ]
    )


def _epoch_seconds(folder: Path, trial: int) -> dict[int, float]:
    path = folder / "trials" / f"{trial:04d}" / "metrics.csv"
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {int(row["epoch"]): float(row["seconds"]) for row in csv.DictReader(file)}


def mean_on(grid: Floats, at: Sequence[Floats], best: Sequence[Floats]) -> list[float | None]:
    """Return the mean over sweeps of the best value so far at each point of a grid.

    Args:
        grid: points, such as epochs or seconds.
        at: for each sweep the points of its E epochs, ascending.
        best: for each sweep the best values there.

    Returns:
        A number per point; None where a sweep has no finite value yet, or has ended.
    """
    means: list[float | None] = []
    for point in grid:
        now = [_last(x, y, float(point)) for x, y in zip(at, best, strict=True)]
        mean = float(np.mean(now))
        means.append(mean if np.isfinite(mean) else None)
    return means


def _last(at: Floats, best: Floats, point: float) -> float:
    place = int(np.searchsorted(at, point, side="right"))
    is_over = point > at[-1]
    return float("inf") if place == 0 or is_over else float(best[place - 1])
