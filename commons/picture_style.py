"""How all pictures look: one style, colors, labels at line ends, axes with plain numbers.

The colors are those of [Okabe2008]_, which people with color vision deficiencies can tell apart;
size and order differ too, so nothing depends on color. matplotlib is imported when the first
figure is made: it takes half a second, which a sweep does not have before its first trial.

.. [Okabe2008] M. Okabe, K. Ito, Color Universal Design, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from commons.files import replacing
from commons.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

GRAY: Final = "#b8b8b8"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
RED: Final = "#8c1c13"
INK: Final = "#3d3d3d"
CYCLE: Final = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", INK, RED)
MARKERS: Final = "os^Dv<>pP*"
LINES: Final = ("-", "--", ":", "-.")
_DPI = 120
_SIZE = (7.2, 4.2)  # inches
_LEFT, _RIGHT = 0.85, 0.25  # margins of a panel, inches
_ROOM = 0.25  # of the height, at least, is for the better half of the values
_RATIO = 5.0  # from this one of the largest to the smallest value on, an axis is logarithmic
_MARKS, _MORE_MARKS = (1, 2, 5), (1, 1.5, 2, 3, 5, 7)  # of each power of 10, on a log axis
_MANY = 20.0  # from this ratio on the fewer ones are enough
_MAX_CHARACTERS = 60
_CHARACTERS_PER_INCH = 10.5  # of a title
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


class Picture:
    """One picture with its panels; `save` writes it.

    Args:
        title: says what is shown and of which study.
        rows, columns: of panels.
        width, height: inches; None: the usual ones.
        label_room: inches right of each panel, for `label_ends`.
    """

    def __init__(
        self,
        title: str,
        rows: int = 1,
        columns: int = 1,
        *,
        width: float | None = None,
        height: float | None = None,
        label_room: float = 0.0,
    ) -> None:
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        size = width or _SIZE[0], height or _SIZE[1]
        right = label_room or _RIGHT
        panel = (size[0] - columns * (_LEFT + right)) / columns
        with rc_context(_STYLE):
            self.figure: Figure = Figure(figsize=size)
            self.panels: list[Axes] = [*np.ravel(self.figure.subplots(rows, columns))]
        lines = textwrap.wrap(plain(title), round(_CHARACTERS_PER_INCH * size[0]))
        self.figure.suptitle("\n".join(lines), x=0.012, ha="left", fontsize=11, fontweight="bold")
        inch_x, inch_y = 1 / size[0], 1 / size[1]
        self.figure.subplots_adjust(
            left=_LEFT * inch_x,
            right=1 - right * inch_x,
            top=1 - 0.72 * inch_y,
            bottom=0.62 * inch_y,
            wspace=(_LEFT + right) / panel if label_room else 0.32,
            hspace=0.55,
        )

    def say(self, text: str) -> None:
        """Write a sentence in place of what cannot be shown."""
        for panel in self.panels:
            panel.set_axis_off()
        self.figure.text(0.5, 0.5, plain(text), ha="center", va="center", color=INK, wrap=True)

    def save(self, path: Path) -> Path:
        """Write a PNG file as `save` does; return its path."""
        return save(self.figure, path)


def save(figure: Figure, path: Path, dpi: int = _DPI) -> Path:
    """Write a figure as PNG, the same bytes for the same figure; return the path.

    The folder is made if needed. Two commands may write the same file at once.

    Raises:
        OSError: the file system is full or refuses; the error names `path`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    options: dict[str, Any] = {"metadata": {"Software": None}}  # it would tell the version
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=dpi, pil_kwargs={"compress_level": 3}, **options)
    return path


def plain(text: object) -> str:
    r"""Return a name from elsewhere as matplotlib shows it as it is, on one line and not too long.

    >>> plain("a$b$")
    'a\\$b\\$'
    """
    shown = printable(" ".join(str(text).split())).replace("$", r"\$")
    return shown if len(shown) <= 2 * _MAX_CHARACTERS else f"{shown[: 2 * _MAX_CHARACTERS]}..."


def short(text: object, limit: int = _MAX_CHARACTERS) -> str:
    """Return the end of a name, which tells more than its beginning; a dotted one in whole parts.

    >>> short("model.encoder.layers", 12), short("model.n_layers", 12)
    ('...layers', '...n_layers')
    """
    shown = plain(text)
    if len(shown) <= limit:
        return shown
    end = shown[2 - limit :]  # with the character before, which may be a dot
    _, *parts = re.split(r"\.(?=\w)", end, maxsplit=1)
    return f"...{parts[0] if parts else end[1:]}"


def number(value: float) -> str:
    """Return a number as a person writes it.

    >>> number(0.0012345), number(12345.0), number(3e-7)
    ('0.00123', '12300', '3e-07')
    """
    if not math.isfinite(value) or value == 0 or not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{rounded:.10f}".rstrip("0").rstrip(".")


def is_logarithmic(values: Iterable[float]) -> bool:
    """Tell whether values are all positive and too far apart for a linear axis."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > _RATIO * min(finite)


def limits(values: Sequence[float], finals: Sequence[float], sign: int) -> tuple[float, float]:
    """Return the ends of a value axis on which the good trials can be told apart.

    The better half of what the trials have reached takes a quarter of the height, at least: one
    that has diverged, or the first epochs, do not flatten them.

    Args:
        values: all that is drawn.
        finals: the last value of each trial; none: all values are shown.
        sign: -1 to maximize, else 1.

    >>> limits([9, 5, 1, 2, 1000], [1, 2, 3, 1000], 1)
    (0.8, 5.2)
    """
    bad = sorted(sign * value for value in values if math.isfinite(value))
    good = sorted(sign * value for value in finals if math.isfinite(value))
    if not bad:
        return 0.0, 1.0
    best, median = bad[0], good[(len(good) - 1) // 2] if good else bad[0]
    worst = bad[-1]
    if median > best:
        reach = best + (median - best) / _ROOM
        worst = max((value for value in bad if value <= reach), default=median)
        worst = max(worst, median)
    margin = 0.05 * (worst - best) or abs(best) * 0.05 or 0.5
    return tuple(sorted((sign * (best - margin), sign * (worst + margin))))  # type: ignore[return-value]


def value_axis(
    panel: Axes, name: str, values: Sequence[float], finals: Sequence[float], sign: int
) -> None:
    """Make the vertical axis one of values, with plain numbers as ticks."""
    low, high = limits(values, finals, sign)
    inside = [value for value in values if low <= value <= high]
    if is_logarithmic(inside):
        low, high = min(inside) / 1.1, max(inside) * 1.1
        logarithmic(panel, "y", _MARKS if high > _MANY * low else _MORE_MARKS)
    panel.set_ylim(low, high)
    panel.set_ylabel(short(name, 40))
    beyond = sum(not low <= value <= high for value in finals if math.isfinite(value))
    if beyond:
        note(panel, f"{beyond} of {len(finals)} trials end beyond the axis")


def note(panel: Axes, text: str) -> None:
    """Write a short remark in the lower right corner of a picture, once for all its panels."""
    figure = panel.figure
    if text not in [there.get_text() for there in figure.texts]:
        figure.text(0.995, 0.015, text, ha="right", fontsize=8, color=INK)


def logarithmic(panel: Axes, which: str, marks: Sequence[float] = _MARKS) -> None:
    """Make an axis logarithmic with plain numbers as ticks, at these multiples of powers of 10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = panel.yaxis if which == "y" else panel.xaxis
    (panel.set_yscale if which == "y" else panel.set_xscale)("log")
    axis.set_major_locator(LogLocator(base=10, subs=marks, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_locator(NullLocator())  # each of its ticks would cost as much as a label


def whole_numbers(axis: Axis) -> None:
    """Have ticks at whole numbers alone, as epochs and counts are."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def key(panel: Axes) -> None:
    """Say above a panel what the colors mean."""
    handles, labels = panel.get_legend_handles_labels()
    if labels:
        panel.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(-0.01, 0.995),
            ncols=len(labels),
            borderaxespad=0,
            handletextpad=0.3,
            columnspacing=1.2,
            frameon=False,
            fontsize=9,
        )
