"""The panels of a picture: one for each selection, with one for a ratio below it if wanted."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from commons.picture_style import Picture

_WIDTH, _HEIGHT, _RATIO = 4.3, 2.5, 1.0  # of a panel with its margins, of panels (inch)
_GAP, _TOP, _BOTTOM = 0.9, 0.75, 0.62  # between panels and at the edges (inch)
_ONE_WIDTH: Final = 7.2  # of a picture with one panel, for its title (inch)
_LABEL_ROOM: Final = 0.62  # inches
_PER_LINE: Final = 3

Cell = tuple[Axes, Axes | None]


def make_grid(title: str, n_cells: int, has_ratio: bool) -> tuple[Picture, list[Cell]]:
    """Return a picture and its cells: each has a panel and, or None, one for a ratio below it.

    Args:
        title: of the picture.
        n_cells: at least 1.
        has_ratio: the cells have a second panel.
    """
    n_wide = 2 if n_cells == 4 else min(n_cells, _PER_LINE)
    n_high, n_parts = math.ceil(n_cells / n_wide), 1 + has_ratio
    cell = _HEIGHT + _RATIO * has_ratio
    height = _TOP + _BOTTOM + n_high * cell + (n_high - 1) * _GAP
    picture = Picture(
        title,
        n_high * n_parts,
        n_wide,
        width=max(_WIDTH * n_wide, _ONE_WIDTH),
        height=height,
        label_room=_LABEL_ROOM,
    )
    panel = (cell - _GAP) / 2 if has_ratio else cell
    picture.figure.subplots_adjust(
        top=1 - _TOP / height, bottom=_BOTTOM / height, hspace=_GAP / panel
    )
    parts = np.array(picture.panels, dtype=object).reshape(n_high, n_parts, n_wide)
    cells = parts.swapaxes(1, 2).reshape(-1, n_parts)
    for axes in cells[n_cells:].ravel():
        axes.remove()
    return picture, [_joined(*own) for own in cells[:n_cells]]


def _joined(above: Axes, below: Axes | None = None) -> Cell:
    """Give the upper panel most of the room of both."""
    if below is not None:
        low, high = below.get_position(), above.get_position()
        height, left, width = high.y1 - low.y0, low.x0, low.width
        above.set_position((left, low.y0 + 0.32 * height, width, 0.68 * height))
        below.set_position((left, low.y0, width, 0.27 * height))
    return above, below
