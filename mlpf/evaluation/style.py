"""How the pictures of an evaluation name and mark what they show, in the common style.

Marker and line differ beside the color, so nothing depends on color.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from commons.picture_style import BLUE, GRAY, INK, ORANGE, plain

_SYMBOLS: Final = {
    "abs(eta)": r"$|\eta|$",
    "|eta|": r"$|\eta|$",
    "eta": r"$\eta$",
    "pt": "$p_T$",
    "dr": r"$\Delta R$",
    "dR": r"$\Delta R$",
    "iqr": "IQR",
    "mb": "MB",
    "met": "MET",
}
_NAMES: Final = r"abs\(eta\)|\|eta\||\b(eta|pt|dr|dR|iqr|mb|met)\b"


@dataclass(frozen=True)
class Look:
    """How one column of the results is drawn; `filled`: markers are."""

    label: str
    color: str
    marker: str
    line: str
    filled: bool


LOOKS: Final = {
    "truth": Look("truth", INK, "D", "-", False),
    "rules": Look("rules", ORANGE, "s", "--", False),
    "mlpf": Look("MLPF", BLUE, "o", "-", True),
}


def look(column: str) -> Look:
    """Return the look of a column; one that is not known is gray."""
    return LOOKS.get(column) or Look(column, GRAY, "^", ":", False)


def label(text: str) -> str:
    r"""Return a label with spaces for underscores and with the symbols that physicists expect.

    A limit on eta is one on its size.

    >>> label("abs(eta) of the true_jet"), label("eta<2.5, pt [GeV]")
    ('$|\\eta|$ of the true jet', '$|\\eta|$<2.5, $p_T$ [GeV]')
    """
    words = re.sub(r"\beta(?=<)", "|eta|", plain(text).replace("_", " "))
    return re.sub(_NAMES, lambda match: _SYMBOLS[match[0]], words)
