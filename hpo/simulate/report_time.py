"""Simulated sweeps against time, on the screen, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich import box

from commons.console import Console, Table
from commons.files import replacing
from commons.picture_labels import label_ends
from commons.picture_style import CYCLE, LINES, Picture

Row = dict[str, Any]  # of `timelines.make_row`, with a name
_COLUMNS = ["trained", "lost", "queued", "failed", "preempted", "best", "after"]


def print_rows(console: Console, rows: Sequence[Row], title: str) -> None:
    """Print a line per row."""
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in ("time", _hours(rows), *_COLUMNS):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["name"], *_cells(row))
    console.print(table)


def write(rows: Sequence[Row], folder: Path, title: str) -> None:
    """Write `timeline.json` and `timeline.png` into a folder, which is made if needed."""
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    with replacing(folder / "timeline.json") as partial:
        partial.write_text(f"[\n{lines}\n]\n")
    _draw(rows, title).save(folder / "timeline.png")


def time_text(hours: float) -> str:
    """Return a time in the unit that people would choose.

    >>> time_text(0.01), time_text(0.5), time_text(30)
    ('36 s', '30 min', '30 h')
    """
    for unit, seconds in (("h", 3600), ("min", 60)):
        if hours * 3600 >= seconds:
            return f"{_short(hours * 3600 / seconds)} {unit}"
    return f"{_short(hours * 3600)} s"


def _unit(row: Row) -> str:
    return "gpu" if "gpu_h" in row else "core"


def _hours(rows: Sequence[Row]) -> str:
    return "GPU-hours" if _unit(rows[0]) == "gpu" else "core-hours"


def _cells(row: Row) -> tuple[str, ...]:
    best, best_h, unit = row["by_wall_h"]["median"][-1], row["best_h"], _unit(row)
    hours = row[f"{unit}_hours"]
    return (
        time_text(row["wall_h"]),
        _short(row[f"{unit}_h"]),
        f"{row['utilization']:.1%}",
        f"{hours['lost'] / max(sum(hours.values()), 1e-12):.1%}",
        time_text(row["queued_h"]),
        _short(row["n_failed"]),
        _short(row["n_preempted"]),
        "none" if best is None else f"{best:.6g}",
        "" if best_h is None else time_text(best_h),
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _draw(rows: Sequence[Row], title: str) -> Picture:
    picture = Picture(title, rows=3, height=10, label_room=1.6)
    by_wall, by_core, busy = picture.panels
    for axes, curve, label in (
        (by_wall, "by_wall_h", "hours"),
        (by_core, f"by_{_unit(rows[0])}_h", _hours(rows)),
    ):
        for i, row in enumerate(rows):
            _draw_best(axes, row, curve, i)
        axes.set_xlim(left=0)
        axes.set(xlabel=label, ylabel="best so far")
        label_ends(axes)
    for i, row in enumerate(rows):
        hours = np.linspace(0.0, row["wall_h"], len(row["busy"]) + 1)
        busy.stairs(row["busy"], hours, color=_color(i), linestyle=_line(i))
    who = "GPUs" if _unit(rows[0]) == "gpu" else "workers"
    busy.set(xlabel="hours", ylabel=f"share of {who} that train", ylim=(0, 1.05))
    busy.set_xlim(left=0)
    return picture


def _draw_best(axes: Axes, row: Row, curve: str, i: int) -> None:
    hours = row[curve]["hours"]
    low, median, high = (
        np.array(row[curve][name], dtype=float)
        for name in ("best_quartile", "median", "worst_quartile")
    )
    look: dict[str, Any] = {"color": _color(i), "linestyle": _line(i)}
    axes.step(hours, median, where="post", label=row["name"], **look)
    axes.fill_between(hours, low, high, step="post", color=_color(i), alpha=0.15, linewidth=0)


def _color(i: int) -> str:
    return CYCLE[i % len(CYCLE)]


def _line(i: int) -> str:
    return LINES[i // len(CYCLE) % len(LINES)]
