"""Pictures of a training, drawn from its `metrics.csv`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlpf.training.callbacks import History
from mlpf.training.checkpoint import writing


def draw_loss_curves(history: History, path: Path) -> None:
    """Draw total losses, parts of the validation loss and tower accuracy by epoch, as a PNG."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    total, parts, accuracy = figure.subplots(1, 3)
    for name in ("train_loss", "val_loss"):
        _curve(total, history, name, name)
    for name in sorted({k for row in history for k in row if k.startswith("val_loss_")}):
        _curve(parts, history, name, name.removeprefix("val_loss_"))
    _curve(accuracy, history, "val_tower_accuracy", "MLPF")
    _curve(accuracy, history, "val_rule_based_tower_accuracy", "rule-based", style="k--")
    titles = {"loss per element": total, "parts of the validation loss": parts}
    for title, axes in (titles | {"class accuracy of towers": accuracy}).items():
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
