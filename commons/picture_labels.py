"""Names beside what they name in a picture, instead of a legend; no name covers another one."""

from __future__ import annotations

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

    To be called when the limits of the axes are final. Labels that would cover each other are
    moved apart.
    """
    lines = [line for line in panel.lines if not str(line.get_label()).startswith("_")]
    height = panel.get_position().height * panel.figure.get_figheight()  # type: ignore[union-attr]
    ends = [_end(panel, line) for line in lines]
    order = sorted(range(len(lines)), key=lambda i: ends[i])
    places = apart([ends[i] for i in order], _LINE_OF_TEXT / height)
    for i, place in zip(order, places, strict=True):
        panel.text(
            1.02,
            place,
            plain(lines[i].get_label()),
            transform=panel.transAxes,
            va="center",
            color=lines[i].get_color(),
            fontsize=9,
        )


def _end(panel: Axes, line: Line2D) -> float:
    """Return the height at which a line ends, as a share of the panel's."""
    points = np.asarray(line.get_xydata(), dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return 0.0
    end = points[np.argmax(points[:, 0])]
    place = panel.transAxes.inverted().transform(panel.transData.transform(end))
    return min(max(float(place[1]), 0.0), 1.0)


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
