"""Colors and names of the states of trials, in the style of all pictures (`picture_style`)."""

from __future__ import annotations

from typing import Final

from optuna.trial import TrialState

from commons.picture_style import BLUE, GRAY, GREEN, ORANGE, RED

COLORS: Final = {
    TrialState.PRUNED: GRAY,
    TrialState.COMPLETE: BLUE,
    TrialState.RUNNING: GREEN,
    TrialState.WAITING: "#56b4e9",
    TrialState.FAIL: RED,
}
BEST: Final = ORANGE
PALE: Final = "#ececec"  # behind the bars of trials
NAMES: Final = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",  # begun, and paused or interrupted
    TrialState.RUNNING: "running",
}
