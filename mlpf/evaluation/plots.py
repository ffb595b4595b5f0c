"""Pictures of the curves in an `evaluation.json`: one PNG per name and variable."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from commons.picture_style import save
from mlpf.evaluation.style import DPI, Look, label, look, paper_style
from mlpf.schema import Particle

Curve = Mapping[str, Any]

_CONFUSION: Final = "confusion"
_WIDTH, _HEIGHT = 4.2, 3.4  # of a panel (inch)
_LEGEND: Final = 0.3  # height of its line (inch)
_PER_LINE: Final = 3
_FEW_EDGES: Final = 8
_LOG_FROM: Final = 15.0  # ratio of the largest to the smallest x
_DARK: Final = 55  # percent, below white numbers
_WIDTHS: Final = ("resolution", "iqr", "rms")  # small is good, and the ratio to the rules counts


def draw_plots(evaluation: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw all curves into `folder` and return the paths of the pictures, in the order of names.

    Args:
        evaluation: the content of an `evaluation.json`.
        folder: is made if needed; a picture is named after its curves.
    """
    pictures: dict[str, list[Curve]] = {}
    for curve in evaluation["curves"]:
        pictures.setdefault(file_name(curve), []).append(curve)
    with paper_style():
        return [
            save(draw_curves(some), folder / f"{name}.png", DPI) for name, some in pictures.items()
        ]


def file_name(curve: Curve) -> str:
    """Return the name of the picture that shows a curve, without `.png`.

    >>> file_name({"name": "efficiency", "x_label": "true energy [GeV]"})
    'efficiency_against_true_energy'
    """
    name: str = curve["name"]
    if curve.get("kind") != "histogram" and name != _CONFUSION:
        axis, _, _ = curve["x_label"].partition("[")
        name = f"{name}_against_{axis}"
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:100].rstrip("_")


def draw_curves(curves: Sequence[Curve]) -> Figure:
    """Return the figure of curves of one name and variable, inside of `paper_style`.

    There is one panel per selection, with the columns beside each other in it.
    """
    if curves[0]["name"] == _CONFUSION:
        return _draw_matrices(curves)
    panels: dict[str, list[Curve]] = {}
    for curve in curves:
        panels.setdefault(curve["selection"], []).append(curve)
    has_ratio = _has_ratio(curves)
    n_wide = 2 if len(panels) == 4 else min(len(panels), _PER_LINE)
    n_high = math.ceil(len(panels) / n_wide)
    height = _HEIGHT * n_high * (1.35 if has_ratio else 1) + _LEGEND
    figure = Figure(figsize=(_WIDTH * n_wide, height), layout="constrained")
    grid = figure.add_gridspec(n_high, n_wide)
    for place, (selection, some) in enumerate(panels.items()):
        axes = _draw_cell(figure, grid[divmod(place, n_wide)], some, has_ratio)
        axes.set_title(label(selection), loc="left")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def _draw_matrices(curves: Sequence[Curve]) -> Figure:
    """Draw a matrix per kind of elements and algorithm; a curve is the line of a true class."""
    matrices: dict[tuple[str, str], dict[str, Curve]] = {}
    for curve in curves:
        kind, _, particle = curve["selection"].rpartition(", ")
        matrices.setdefault((kind or "all", curve["column"]), {})[particle] = curve
    n_wide = len({column for _, column in matrices})
    n_high = math.ceil(len(matrices) / n_wide)
    figure = Figure(figsize=(_WIDTH * n_wide, _HEIGHT * n_high), layout="constrained")
    cells = figure.subplots(n_high, n_wide, squeeze=False).ravel()
    for axes, ((kind, column), rows) in zip(cells, matrices.items(), strict=False):
        _draw_matrix(axes, rows)
        axes.set_title(label(f"{kind}: {look(column).label}"), loc="left")
    return figure


def _draw_cell(
    figure: Figure, cell: SubplotSpec, curves: Sequence[Curve], has_ratio: bool
) -> Axes:
    if not has_ratio:
        axes = figure.add_subplot(cell)
        _draw_panel(axes, curves)
        return axes
    parts = cell.subgridspec(2, 1, height_ratios=(3, 1), hspace=0.03)
    axes = figure.add_subplot(parts[0])
    below = figure.add_subplot(parts[1], sharex=axes)
    _draw_panel(axes, curves)
    _draw_ratio(below, curves)
    below.set_xlabel(axes.get_xlabel())
    axes.set_xlabel("")
    axes.tick_params(which="both", labelbottom=False)
    return axes


def _has_ratio(curves: Sequence[Curve]) -> bool:
    columns = {curve["column"] for curve in curves}
    is_width = any(word in curves[0]["name"] for word in _WIDTHS)
    return is_width and {"rules", "mlpf"} <= columns


def _draw_panel(axes: Axes, curves: Sequence[Curve]) -> None:
    first = curves[0]
    for place, curve in enumerate(curves):
        if curve.get("kind") == "histogram":
            _draw_histogram(axes, curve)
        else:
            # Beside each other, where points and errors would cover each other.
            _draw_points(axes, curve, shift=place - (len(curves) - 1) / 2)
    unit = f" [{first['unit']}]" if first["unit"] else ""
    axes.set(xlabel=label(first["x_label"]), ylabel=label(first["y_label"] + unit))
    if first["name"] == "reliability":
        axes.plot((0, 1), (0, 1), ":", color="0.5", zorder=0, label="calibrated")
        axes.set(xlim=(0, 1), ylim=(0, 1))
    elif _is_log(first):
        _set_log(axes, first)
    _set_limits(axes, curves)


def _set_log(axes: Axes, curve: Curve) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    edges = curve.get("edges") or ()
    if 0 < len(edges) <= _FEW_EDGES:  # powers of ten would be too few ticks
        axes.set_xticks(edges, [f"{edge:g}" for edge in edges])


def _draw_histogram(axes: Axes, curve: Curve) -> None:
    style = look(curve["column"])
    axes.stairs(
        np.nan_to_num(_numbers(curve["values"])),
        _numbers(curve["edges"]),
        color=style.color,
        linestyle=style.line,
        linewidth=1.6,
        label=style.label,
        zorder=3 - 0.1 * len(axes.patches),  # the first on top: its line has gaps
    )


def _draw_points(axes: Axes, curve: Curve, shift: float) -> None:
    style, values = look(curve["column"]), _numbers(curve["values"])
    x, half_widths = _centers(curve, shift)
    axes.errorbar(
        x, values, _errors(curve), half_widths, label=style.label, **_marks(style, curve)
    )


def _marks(style: Look, curve: Curve) -> dict[str, Any]:
    return {
        "color": style.color,
        "marker": style.marker,
        "markerfacecolor": style.color if style.filled else "white",
        "linestyle": "none" if "edges" in curve else style.line,
        "elinewidth": 1.1,
    }


def _draw_ratio(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw MLPF divided by the rules; the errors are those of MLPF alone."""
    by_column = {curve["column"]: curve for curve in curves}
    axes.axhline(1, color="0.5", linestyle=":", linewidth=1)
    axes.set_ylabel("MLPF / rules", fontsize="small", loc="center")
    if not {"mlpf", "rules"} <= set(by_column):
        return
    mlpf, rules = by_column["mlpf"], by_column["rules"]
    below = _numbers(rules["values"])
    ratio = _numbers(mlpf["values"]) / np.where(below > 0, below, np.nan)
    errors = _errors(mlpf)
    x, half_widths = _centers(mlpf, 0.0)
    axes.errorbar(
        x,
        ratio,
        None if errors is None else errors / np.where(below > 0, below, np.nan),
        half_widths,
        **_marks(look("mlpf"), mlpf),
    )


def _draw_matrix(axes: Axes, rows: Mapping[str, Curve]) -> None:
    """Draw the shares of each true class in percent, as a color and as a number."""
    names = [particle.name.lower() for particle in Particle]
    empty = [None] * len(names)
    values = [rows[name]["values"] if name in rows else empty for name in names]
    shares = 100 * np.array([*map(_numbers, values)])
    axes.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=100)
    ticks = [label(name) for name in names]
    axes.set_xticks(range(len(names)), ticks, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), ticks)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    axes.set(xlabel="given class [% of the true class]", ylabel="true class")
    for (line, place), share in np.ndenumerate(shares):
        if np.isfinite(share):
            color = "white" if share > _DARK else "black"
            text = f"{share:.1f}" if share else "0"
            axes.text(place, line, text, ha="center", va="center", color=color, fontsize=8.5)


def _centers(curve: Curve, shift: float) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return x of the points, moved by `shift` tenths of a bin, and the halves of the bins."""
    if "edges" not in curve:
        return _numbers(curve["x"]), None
    edges = _numbers(curve["edges"])
    low, high = edges[:-1], edges[1:]
    where = 0.5 + 0.12 * shift
    x = low * (high / low) ** where if _is_log(curve) else low + (high - low) * where
    return x, np.stack([x - low, high - x])


def _is_log(curve: Curve) -> bool:
    x = _numbers(curve["edges"] if "edges" in curve else curve["x"])
    return bool(x.size > 1 and x[0] > 0 and x[-1] / x[0] > _LOG_FROM)


def _errors(curve: Curve) -> NDArray[np.float64] | None:
    if curve.get("errors") is None:
        return None
    pairs = [e if isinstance(e, Sequence) else (e, e) for e in curve["errors"]]
    errors: NDArray[np.float64] = np.nan_to_num([*map(_numbers, pairs)])
    return errors.reshape(-1, 2).T.clip(0)


def _set_limits(axes: Axes, curves: Sequence[Curve]) -> None:
    if "efficiency" in curves[0]["name"] or "purity" in curves[0]["name"]:
        axes.set_ylim(_lowest(curves), 1.05)


def _lowest(curves: Iterable[Curve]) -> float:
    values = np.concatenate([_numbers(curve["values"]) for curve in curves])
    least = np.nanmin(values) if np.isfinite(values).any() else 0.0
    return float(max(0.0, min(0.9, least - 0.1)))


def _numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in values], dtype=float)
