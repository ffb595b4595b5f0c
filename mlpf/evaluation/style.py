"""How all pictures of an evaluation look: the style of CMS papers, one look per column.

The colors are those of [Petroff2021]_, which people with color vision deficiencies can tell apart;
marker and line differ too, so nothing depends on color.

.. [Petroff2021] arXiv:2107.02270.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from matplotlib import rc_context

from commons.picture_style import plain

DPI: Final = 110
_SYMBOLS: Final = {
    "abs(eta)": r"$|\eta|$",
    "|eta|": r"$|\eta|$",
    "eta": r"$\eta$",
    "pt": "$p_T$",
    "dr": r"$\Delta R$",
    "dR": r"$\Delta R$",
}
_NAMES: Final = r"abs\(eta\)|\|eta\||\b(eta|pt|dr|dR)\b"


@dataclass(frozen=True)
class Look:
    """How one column of the results is drawn; `filled`: markers are."""

    label: str
    color: str
    marker: str
    line: str
    filled: bool


LOOKS: Final = {
    "truth": Look("truth", "black", "D", "-", False),
    "rules": Look("rules", "#e42536", "s", "--", False),
    "mlpf": Look("MLPF", "#5790fc", "o", "-", True),
}
# mplhep's style is made for one large plot on a slide; these panels are a third of that.
_SIZES: Final[dict[str, Any]] = {
    "font.size": 11,
    "axes.linewidth": 1.0,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.fontsize": 9.5,
    "axes.titlesize": 10.5,
    "figure.constrained_layout.w_pad": 0.08,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    **{f"{axis}tick.major.size": 5 for axis in "xy"},
    **{f"{axis}tick.minor.size": 2.5 for axis in "xy"},
}


def look(column: str) -> Look:
    """Return the look of a column; one that is not known is gray."""
    return LOOKS.get(column) or Look(column, "0.5", "^", ":", False)


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save figures inside of this context."""
    from mplhep import style  # late: it costs a third of a second

    everything: dict[Any, Any] = {**style.CMS, **_SIZES}
    with rc_context(everything):
        yield


def label(text: str) -> str:
    r"""Return a label with spaces for underscores and with the symbols that physicists expect.

    >>> label("abs(eta) of the true_jet"), label("pt [GeV]")
    ('$|\\eta|$ of the true jet', '$p_T$ [GeV]')
    """
    words = plain(text).replace("_", " ")
    return re.sub(_NAMES, lambda match: _SYMBOLS[match[0]], words)
