"""The history of a search in several stages: its trials as a table and as a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.reproduce.trainings import LOSS
from commons.files import replacing
from commons.picture_style import BLUE, GRAY, Picture, key, value_axis
from hpo.reporting.style import BEST

Rows = Sequence[dict[str, Any]]

_VALUE = "val_loss"
_WHAT = {"stage1": "optimizer", "stage2": "architecture"}


def history_of(folder: Path, stages: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each trial of the stages: its state, epochs and last value.

    Args:
        folder: holds the sweep folder of each stage.
        stages: names of these folders, in their order.
    """
    return [row for stage in stages for row in _trials(folder, stage)]


def _trials(folder: Path, stage: str) -> list[dict[str, Any]]:
    with (folder / stage / "trials.csv").open(newline="") as file:
        return [
            {
                "stage": stage,
                "trial": int(row["number"]),
                "state": row["state"].lower(),
                "epochs": int(row["epochs"]),
                _VALUE: float(row[_VALUE]),
            }
            for row in csv.DictReader(file)
            if row[_VALUE]
        ]


def write_history(rows: Rows, path: Path) -> None:
    """Write the rows as CSV."""
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_history(rows: Rows, title: str, path: Path) -> None:
    """Draw the value of each trial, the stages one behind the other, and the best so far."""
    picture = Picture(title)
    (panel,) = picture.panels
    values = [row[_VALUE] for row in rows]
    for state, color in (("pruned", GRAY), ("complete", BLUE)):
        places = [i for i, row in enumerate(rows) if row["state"] == state]
        label = f"{len(places)} {state}"
        panel.plot(places, [values[i] for i in places], ".", color=color, label=label)
    ends = [row[_VALUE] if row["state"] == "complete" else math.inf for row in rows]
    best = list(accumulate(ends, min))
    panel.step(range(len(rows)), best, where="post", color=BEST, label="best so far")
    value_axis(panel, LOSS, values, values, 1)
    for stage in dict.fromkeys(row["stage"] for row in rows):
        start = next(i for i, row in enumerate(rows) if row["stage"] == stage) - 0.5
        panel.axvline(start, color=GRAY, linewidth=0.8, linestyle=":")
        place = panel.get_xaxis_transform()
        panel.text(start, 0.98, f" {_WHAT[stage]}", va="top", fontsize=9, transform=place)
    panel.set_xlabel("trial of both stages (of a pruned one the last value)")
    key(panel)
    picture.save(path)
