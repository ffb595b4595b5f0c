"""Speed-up over nodes: the measured search, and the large one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from commons.picture_labels import label_ends
from commons.picture_style import BLUE, GRAY, GREEN, ORANGE, Picture, logarithmic

_COLORS = {"promotion": BLUE, "asha": GREEN}
_LABELS = {"promotion": "pauses (promotion)", "asha": "stops (ASHA)"}
_STYLES = (":", "--", "-")


def draw(path: Path, result: dict[str, Any]) -> None:
    """Draw what `__main__` writes as JSON.

    Left: the search that was measured, with the simulated one. Right: the large search, simulated,
    and the efficiency of the synchronous model.
    """
    title = "Speed-up of a search over nodes of four workers"
    picture = Picture(title, 1, 2, width=12, height=4.4, label_room=1.75)
    few, many = picture.panels
    _lines(few, result["simulated"])
    measured = result["measured"]
    nodes, speed_ups = ([row[k] for row in measured] for k in ("nodes", "speed_up"))
    few.plot(nodes, speed_ups, "o", color=BLUE)
    _lines(many, result["simulated_large"])
    waiting = result["synchronous"]
    loads = dict.fromkeys(row["load_epochs"] for row in waiting)
    for load, style in zip(loads, _STYLES, strict=True):
        rows = [row for row in waiting if row["load_epochs"] == load]
        _line(many, rows, f"waits for rungs, load {load:g}", ORANGE, style)
    _finish(few, result["study"], nodes, "points: pauses, measured; lines: simulated")
    large_nodes = [row["nodes"] for row in result["simulated_large"]]
    _finish(many, result["large"], large_nodes, "simulated, load in epochs")
    picture.save(path)


def _lines(panel: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for policy in dict.fromkeys(row["policy"] for row in rows):
        some = [row for row in rows if row["policy"] == policy]
        _line(panel, some, _LABELS[policy], _COLORS[policy], "-")


def _line(panel: Axes, rows: Sequence[dict[str, Any]], label: str, color: str, style: str) -> None:
    nodes, speed_ups = ([row[k] for row in rows] for k in ("nodes", "speed_up"))
    panel.plot(nodes, speed_ups, style, color=color, label=label, lw=1.4)


def _finish(panel: Axes, study: dict[str, Any], nodes: Sequence[int], what: str) -> None:
    last = max(nodes)
    panel.plot([1, last], [1, last], color=GRAY, lw=1, zorder=0, label="ideal")
    logarithmic(panel, "x")
    logarithmic(panel, "y")
    panel.set_xticks(nodes, [f"{each}" for each in nodes])
    panel.set(xlabel="nodes", ylabel="speed-up")
    trials = f"{study['n_trials']:,} trials of {study['epochs']} epochs"
    panel.set_title(f"{trials}; {what}", loc="left", fontsize=9)
    label_ends(panel)
