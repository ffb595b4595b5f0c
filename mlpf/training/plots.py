"""Pictures of a training, drawn from its `metrics.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlpf.training.callbacks import History
from mlpf.training.checkpoint import writing

# What a training may log of the physics beside the towers, and what people call it.
PHYSICS: Final[Mapping[str, str]] = {
    "val_met_ratio": "MET error / rules",
    "val_sum_pt_ratio": "sum pt / truth",
    "val_jet_efficiency": "jets found",
    "val_jet_purity": "jets pure",
    "val_jet_iqr_ratio": "jet width / rules",
}
_STYLES: Final = ("o-", "s--", "^-.", "v-", "D:")


def draw_loss_curves(history: History, path: Path) -> None:
    """Draw losses, parts of the validation loss and tower accuracy by epoch, as a PNG.

    A training that logs figures of `PHYSICS` has a fourth panel with them.
    """
    logged = [name for name in PHYSICS if any(name in row for row in history)]
    n_panels = 4 if logged else 3
    figure = Figure(figsize=(4.4 * n_panels, 4), layout="constrained")
    total, parts, accuracy, *more = figure.subplots(1, n_panels)
    for name in ("train_loss", "val_loss"):
        _curve(total, history, name, name)
    for name in sorted({k for row in history for k in row if k.startswith("val_loss_")}):
        _curve(parts, history, name, name.removeprefix("val_loss_"))
    _curve(accuracy, history, "val_tower_accuracy", "MLPF")
    _curve(accuracy, history, "val_rule_based_tower_accuracy", "rule-based", style="k--")
    for axes in more:
        axes.axhline(1, color="0.5", linestyle=":")
        for name, style in zip(logged, _STYLES, strict=False):
            _curve(axes, history, name, PHYSICS[name], style)
    titles = ("loss per element", "parts of the validation loss", "class accuracy of towers")
    panels = (total, parts, accuracy, *more)
    for title, axes in zip((*titles, "physics"), panels, strict=False):
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    for axes in (total, parts):
        axes.set_yscale("log")
    with writing(path) as partial:
        figure.savefig(partial, dpi=120, format="png")


def _curve(axes: Axes, history: History, name: str, label: str, style: str = "o-") -> None:
    points = [(row["epoch"], row[name]) for row in history if name in row]
    if points:
        axes.plot(*zip(*points, strict=True), style, label=label, markersize=3)
