"""A picture per table: epochs against the share of draws as good as Hyperband."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.reproduce.policies.figures import Figures
from benchmarks.reproduce.policies.found import Found
from commons.picture_labels import label_points
from commons.picture_style import BLUE, GRAY, INK, ORANGE, Picture, logarithmic


def draw(path: Path, title: str, figures: Sequence[Figures], front: Sequence[Found]) -> None:
    """Draw the methods of a table, the front of them, and the ladders found on it.

    Args:
        path: of the PNG file.
        title: what is shown.
        figures: of `figures.of_table`, with one worker.
        front: of `found.find`.
    """
    picture = Picture(title, height=5.4)
    axes = picture.panels[0]
    logarithmic(axes, "x")
    bottom = max(-0.04, min(0.8, min(f["p"] for f in figures) - 0.05))
    axes.set(xlabel="share of Hyperband's epochs on the same draw")
    axes.set_ylim(bottom, 1 + 0.06 * (1 - bottom))
    axes.set_ylabel("P: share of draws as good as Hyperband")
    shares = [f.scored.mean_share for f in front]
    axes.plot(shares, [f.scored.p for f in front], color=GRAY, zorder=1)
    best = pareto(figures)
    axes.plot(*zip(*((f["share"], f["p"]) for f in best), strict=True), color=ORANGE, zorder=2)
    on_front = {f["method"] for f in best}
    for f in figures:
        color = ORANGE if f["method"] in on_front else BLUE
        axes.errorbar(
            f["share"], f["p"], yerr=f["p_se"] or 0, fmt="o", ms=5, color=color, zorder=3
        )
    low = min(f["share"] for f in figures)
    axes.set_xlim(low / 1.4, max(1.6, 1.5 * max(f["share"] for f in figures)))
    note = "orange: front of the methods; gray: plain ladders found on this table (other draws)"
    picture.figure.text(0.012, 0.915, note, fontsize=8, color=INK)
    label_points(axes, [(f["share"], f["p"]) for f in figures], [f["method"] for f in figures])
    picture.save(path)


def pareto(figures: Sequence[Figures]) -> list[Figures]:
    """Return the methods that no other one beats in epochs without being worse in P."""
    front: list[Figures] = []
    for each in sorted(figures, key=lambda f: (f["share"], -f["p"])):
        if not front or each["p"] > front[-1]["p"]:
            front.append(each)
    return front
