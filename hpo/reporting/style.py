"""The style of all pictures (`commons.picture_style`), and the colors of the states of trials."""

from __future__ import annotations

from typing import Final

from optuna.trial import TrialState

from commons.picture_style import (
    BLUE,
    GRAY,
    GREEN,
    INK,
    ORANGE,
    RED,
    Picture,
    is_logarithmic,
    key,
    logarithmic,
    number,
    plain,
    short,
    value_axis,
)

__all__ = [
    "BEST",
    "BLUE",
    "COLORS",
    "GRAY",
    "GREEN",
    "INK",
    "ORANGE",
    "RED",
    "Picture",
    "is_logarithmic",
    "key",
    "logarithmic",
    "number",
    "plain",
    "short",
    "value_axis",
]

COLORS: Final = {
    TrialState.PRUNED: GRAY,
    TrialState.COMPLETE: BLUE,
    TrialState.RUNNING: GREEN,
    TrialState.WAITING: "#56b4e9",
    TrialState.FAIL: RED,
}
BEST: Final = ORANGE
