"""Pictures of a training, drawn from its `metrics.csv`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from commons.picture_labels import label_ends
from commons.picture_style import CYCLE, GRAY, INK, Picture, is_logarithmic, logarithmic
from mlpf.config import FileWriteError
from mlpf.training.callbacks import History

# What a training may log of the physics beside the towers, and what people call it.
PHYSICS: Final[Mapping[str, str]] = {
    "val_met_ratio": "MET error / rules",
    "val_sum_pt_ratio": "sum pt / truth",
    "val_jet_efficiency": "jets found",
    "val_jet_purity": "jets pure",
    "val_jet_iqr_ratio": "jet width / rules",
}
_WIDTH: Final = 4.6  # of a panel with its margins, inches


def draw_loss_curves(history: History, path: Path) -> None:
    """Draw losses, parts of the validation loss and tower accuracy by epoch, as a PNG.

    A training that logs figures of `PHYSICS` has a fourth panel with them. The title has the name
    of the folder.

    Raises:
        FileWriteError: the file system is full or refuses.
    """
    parts = sorted({k for row in history for k in row if k.startswith("val_loss_")})
    panels = {
        "loss per element": {"train_loss": "train", "val_loss": "validation"},
        "parts of the validation loss": {k: k.removeprefix("val_loss_") for k in parts},
        "class accuracy of towers": {
            "val_tower_accuracy": "MLPF",
            "val_rule_based_tower_accuracy": "rules",
        },
    }
    if logged := {k: v for k, v in PHYSICS.items() if any(k in row for row in history)}:
        panels["figures of physics"] = logged
    picture = Picture(
        f"training {path.absolute().parent.name}",
        columns=len(panels),
        width=_WIDTH * len(panels),
        label_room=1.15,
    )
    for axes, (title, curves) in zip(picture.panels, panels.items(), strict=True):
        _draw_panel(axes, history, curves)
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
    try:
        picture.save(path)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(path)) from error


def _draw_panel(axes: Axes, history: History, curves: Mapping[str, str]) -> None:
    for i, (name, label) in enumerate(curves.items()):
        points = [(r["epoch"], r[name]) for r in history if math.isfinite(r.get(name, math.nan))]
        if points:
            color = INK if label == "rules" else CYCLE[i]
            line = "--" if label == "rules" else "-"
            axes.plot(*zip(*points, strict=True), "o", ls=line, ms=3, color=color, label=label)
    if is_logarithmic(row[name] for row in history for name in curves if name in row):
        logarithmic(axes, "y")
    if curves.keys() <= PHYSICS.keys() and curves:
        axes.axhline(1, color=GRAY, ls=":", zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_ends(axes)
