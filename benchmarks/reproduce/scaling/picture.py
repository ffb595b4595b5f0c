"""Speed-up over nodes: the measured search, and the large one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from commons.picture_style import BLUE, GRAY, GREEN, INK, ORANGE, Picture, logarithmic

_COLORS = {"promotion": BLUE, "asha": GREEN}
_LABELS = {"promotion": "promotion (pauses)", "asha": "ASHA (stops)"}


def draw(path: Path, result: dict[str, Any]) -> None:
    """Draw what `__main__` writes as JSON.

    Left: the search that was measured, with the simulated one. Right: the large search, simulated,
    and the efficiency of the synchronous model.
    """
    picture = Picture("Speed-up of a search over nodes of four workers", 1, 2, height=4.4)
    picture.figure.set_size_inches(10.2, 4.4)
    picture.figure.subplots_adjust(left=0.075, right=0.985, top=0.85, wspace=0.22)
    few, many = picture.panels
    _lines(few, result["simulated"], "simulated")
    measured = result["measured"]
    few.plot(
        [row["nodes"] for row in measured],
        [row["speed_up"] for row in measured],
        "o",
        color=ORANGE,
        label="promotion, measured",
    )
    _lines(many, result["simulated_large"], "simulated")
    waiting = result["synchronous"]
    loads = dict.fromkeys(row["load_epochs"] for row in waiting)
    for load, style in zip(loads, _STYLES, strict=True):
        rows = [row for row in waiting if row["load_epochs"] == load]
        _line(many, rows, f"waits for rungs, load {load:g} epochs", ORANGE, style)
    _finish(few, result["study"], [row["nodes"] for row in measured])
    _finish(many, result["large"], [row["nodes"] for row in result["simulated_large"]])
    picture.save(path)


_STYLES = (":", "--", "-")


def _lines(panel: Axes, rows: Sequence[dict[str, Any]], what: str) -> None:
    for policy in dict.fromkeys(row["policy"] for row in rows):
        some = [row for row in rows if row["policy"] == policy]
        _line(panel, some, f"{_LABELS[policy]}, {what}", _COLORS[policy], "-")


def _line(panel: Axes, rows: Sequence[dict[str, Any]], label: str, color: str, style: str) -> None:
    nodes, speed_ups = ([row[k] for row in rows] for k in ("nodes", "speed_up"))
    panel.plot(nodes, speed_ups, style, color=color, label=label, lw=1.4)


def _finish(panel: Axes, study: dict[str, Any], nodes: Sequence[int]) -> None:
    last = max(nodes)
    panel.plot([1, last], [1, last], color=GRAY, lw=1, zorder=0)
    panel.annotate("ideal", (last, last), ha="right", va="bottom", color=INK, fontsize=9)
    logarithmic(panel, "x")
    logarithmic(panel, "y")
    panel.set_xticks(nodes, [f"{each}" for each in nodes])
    panel.set(xlabel="nodes", ylabel="speed-up")
    trials = f"{study['n_trials']:,} trials of {study['epochs']} epochs"
    panel.set_title(trials, fontsize=10, pad=6)
    panel.legend(frameon=False, fontsize=8, loc="upper left")
