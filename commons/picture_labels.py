"""Names beside what they name in a picture, instead of a legend; no name covers another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from commons.picture_style import INK, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

_LINE_OF_TEXT: Final = 0.17  # inches
_PLACES: Final = (  # of a name beside its point: x and y in points (1/72 inch), alignment
    *((6, 0, "left"), (-6, 0, "right"), (0, 9, "center"), (0, -9, "center")),
    *((x, y, "left" if x > 0 else "right") for y in (9, -9, 18, -18) for x in (6, -6)),
)


def label_ends(panel: Axes) -> None:
    """Write the label of each line beside its right end, in its color, instead of a legend.

    To be called when all lines are drawn. The lowest label is the first text. Labels that would
    cover each other are moved apart.
    """
    lines = [line for line in panel.lines if not str(line.get_label()).startswith("_")]
    places = heights_beside(panel, [_end(line) for line in lines])
    for place, line in sorted(zip(places, lines, strict=True), key=lambda each: each[0]):
        panel.text(
            1.02,
            place,
            plain(line.get_label()),
            transform=panel.transAxes,
            va="center",
            color=line.get_color(),
            fontsize=9,
        )


def _end(line: Line2D) -> tuple[float, float]:
    """Return the right end of a line; nan: it has no point."""
    points = np.asarray(line.get_xydata(), dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    x, y = points[np.argmax(points[:, 0])] if len(points) else (math.nan, math.nan)
    return float(x), float(y)


def heights_beside(
    panel: Axes, points: Sequence[tuple[float, float]], n_lines: int = 1
) -> list[float]:
    """Return where texts beside points are, as shares of the panel's height, each apart.

    Args:
        panel: with everything drawn.
        points: in units of the axes; nan: at the bottom.
        n_lines: of each text.
    """
    panel.get_ylim()  # matplotlib fits the limits to what was plotted when it is asked for them
    shown = panel.transData.transform(np.reshape(points, (-1, 2)))
    places = np.clip(np.nan_to_num(panel.transAxes.inverted().transform(shown)[:, 1]), 0, 1)
    height = panel.get_position().height * panel.figure.get_figheight()  # type: ignore[union-attr]
    order = np.argsort(places, kind="stable")
    found = np.empty_like(places)
    found[order] = apart(places[order].tolist(), n_lines * _LINE_OF_TEXT / height)
    return [float(each) for each in found]


def apart(places: Sequence[float], distance: float) -> list[float]:
    """Return places up to 1, in their order, at least so far apart, and near those given.

    Args:
        places: sorted.
        distance: of two neighbors.

    >>> apart([0.2, 0.25, 0.9], 0.1)
    [0.175, 0.275, 0.9]
    """
    groups: list[tuple[float, int]] = []  # of labels that touch: where the first is, how many
    for i, place in enumerate(places):
        first, n = place - i * distance, 1
        while groups and groups[-1][0] > first:
            before, m = groups.pop()
            first, n = (before * m + first * n) / (m + n), m + n
        groups.append((first, n))
    firsts = [first for first, n in groups for _ in range(n)]
    n = len(firsts)
    free = [first + i * distance for i, first in enumerate(firsts)]
    return [round(min(each, 1 - (n - 1 - i) * distance), 6) for i, each in enumerate(free)]


def label_points(panel: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write a name beside each point, where it covers the least of other points and names.

    To be called when the limits of the axes are final.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(panel.figure).get_renderer()  # type: ignore[arg-type,no-untyped-call]
    shown, inside = panel.transData.transform(list(points)), panel.get_window_extent(renderer)
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in shown]
    for point, name in sorted(zip(points, names, strict=True)):
        text = panel.annotate(
            plain(name),
            point,
            xytext=(0, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
        boxes = []
        for x, y, side in _PLACES:
            text.set(position=(x, y), ha=side)
            box = text.get_window_extent(renderer)
            outside = float(box.width * box.height) - _overlap(box, inside)
            covered = outside + sum(_overlap(box, other) for other in taken)
            boxes.append((covered, (x, y, side), box))
        _, (x, y, side), box = min(boxes, key=lambda each: each[0])
        text.set(position=(x, y), ha=side)
        taken.append(box)


def _overlap(a: Bbox, b: Bbox) -> float:
    both = a.intersection(a, b)
    return 0.0 if both is None else float(both.width * both.height)
