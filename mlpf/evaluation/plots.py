"""Pictures of the curves in an `evaluation.json`: one PNG per name and variable."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from commons.picture_labels import label_ends
from commons.picture_style import GRAY, INK, Picture, logarithmic, whole_numbers
from mlpf.evaluation.grid import make_grid
from mlpf.evaluation.style import Look, label, look
from mlpf.schema import Particle

Curve = Mapping[str, Any]

_CONFUSION: Final = "confusion"
_MATRIX, _NAMES, _MATRIX_WIDTH = 3.1, 1.6, 5.0  # of a matrix, its axes, both side by side (inch)
_TOP: Final = 0.75  # inches, for the titles
_FEW_EDGES: Final = 8
_LOG_FROM: Final = 15.0  # ratio of the largest to the smallest x
_BELOW: Final = 0.04  # of an efficiency: room for points at 0
_DARK: Final = 55  # percent, below white numbers
_WIDTHS: Final = ("resolution", "iqr", "rms")  # small is good, and the ratio to the rules counts


def draw_plots(evaluation: Mapping[str, Any], folder: Path, subject: str = "") -> list[Path]:
    """Draw all curves into `folder` and return the paths of the pictures, in the order of names.

    Args:
        evaluation: the content of an `evaluation.json`.
        folder: is made if needed; a picture is named after its curves.
        subject: what was evaluated, for the titles.
    """
    pictures: dict[str, list[Curve]] = {}
    for curve in evaluation["curves"]:
        pictures.setdefault(file_name(curve), []).append(curve)
    return [
        draw_curves(some, subject).save(folder / f"{name}.png") for name, some in pictures.items()
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


def draw_curves(curves: Sequence[Curve], subject: str = "") -> Picture:
    """Return the picture of curves of one name and variable.

    There is one panel per selection, with the columns beside each other in it.
    """
    if curves[0]["name"] == _CONFUSION:
        return _draw_matrices(curves, subject)
    cells: dict[str, list[Curve]] = {}
    for curve in curves:
        cells.setdefault(curve["selection"], []).append(curve)
    title = _title(curves[0]["name"], subject)
    picture, places = make_grid(title, len(cells), _has_ratio(curves))
    for (selection, some), (axes, below) in zip(cells.items(), places, strict=True):
        _draw_panel(axes, some)
        axes.set_title(label(_without_variable(selection)), loc="left", fontsize=10)
        if below is not None:
            _draw_ratio(below, axes, some)
        label_ends(axes)
    return picture


def _without_variable(selection: str) -> str:
    """Return a selection without the name of the variable, which the axis has.

    >>> _without_variable("eta<2.5, massless, pt"), _without_variable("photon")
    ('eta<2.5, massless', 'photon')
    """
    return re.sub(r", (pt|abs\(eta\))$", "", selection)


def _title(name: str, subject: str) -> str:
    shown = label(name)
    if not shown.startswith("ms "):
        shown = f"{shown[0].upper()}{shown[1:]}"
    return f"{shown}: {subject}" if subject else shown


def _draw_matrices(curves: Sequence[Curve], subject: str) -> Picture:
    """Draw a matrix per kind of elements and algorithm; a curve is the line of a true class."""
    matrices: dict[tuple[str, str], dict[str, Curve]] = {}
    for curve in curves:
        kind, _, particle = curve["selection"].rpartition(", ")
        matrices.setdefault((kind or "all", curve["column"]), {})[particle] = curve
    n_wide = len({column for _, column in matrices})
    n_high = math.ceil(len(matrices) / n_wide)
    width = _MATRIX_WIDTH * n_wide
    height = _TOP + (_MATRIX + _NAMES) * n_high
    picture = Picture(_title(_CONFUSION, subject), n_high, n_wide, width=width, height=height)
    picture.figure.subplots_adjust(
        left=_NAMES / width,
        top=1 - _TOP / height,
        bottom=(_NAMES - 0.2) / height,
        wspace=(_MATRIX_WIDTH - _MATRIX) / _MATRIX,
        hspace=_NAMES / _MATRIX,
    )
    for axes, ((kind, column), rows) in zip(picture.panels, matrices.items(), strict=False):
        _draw_matrix(axes, rows)
        axes.set_title(label(f"{kind}: {look(column).label}"), loc="left", fontsize=10)
    return picture


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
    name, unit = label(first["y_label"]), first["unit"]
    is_told = not unit or name.startswith(f"{unit} ")  # as in "ms per event"
    axes.set(xlabel=label(first["x_label"]), ylabel=name if is_told else f"{name} [{unit}]")
    if first["name"] == "reliability":
        axes.plot((0, 1), (0, 1), ":", color=GRAY, zorder=0, label="ideal")
        axes.set(xlim=(0, 1), ylim=(0, 1))
    elif _is_log(first):
        _set_log(axes, first)
    _set_limits(axes, curves)


def _set_log(axes: Axes, curve: Curve) -> None:
    logarithmic(axes, "x", (1, 3))
    edges = curve.get("edges") or ()
    if 0 < len(edges) <= _FEW_EDGES:
        axes.set_xticks(edges, [f"{edge:g}" for edge in edges])


def _draw_histogram(axes: Axes, curve: Curve) -> None:
    style, edges = look(curve["column"]), _numbers(curve["edges"])
    axes.plot(
        [edges[0], *edges],
        [0, *np.nan_to_num(_numbers(curve["values"])), 0],
        style.line,
        drawstyle="steps-post",
        color=style.color,
        linewidth=1.6,
        label=style.label,
        zorder=3 - 0.1 * len(axes.lines),  # the first on top: its line has gaps
    )


def _draw_points(axes: Axes, curve: Curve, shift: float) -> None:
    style, values = look(curve["column"]), _numbers(curve["values"])
    x, half_widths = _centers(curve, shift)
    points = axes.errorbar(x, values, _errors(curve), half_widths, **_marks(style, curve))
    points.lines[0].set_label(style.label)


def _marks(style: Look, curve: Curve) -> dict[str, Any]:
    return {
        "color": style.color,
        "marker": style.marker,
        "markerfacecolor": style.color if style.filled else "white",
        "linestyle": "none" if "edges" in curve else style.line,
        "markersize": 4.5,
        "linewidth": 1.4,
        "elinewidth": 1.1,
    }


def _draw_ratio(axes: Axes, above: Axes, curves: Sequence[Curve]) -> None:
    """Draw MLPF divided by the rules below them; the errors are those of MLPF alone."""
    if _is_log(curves[0]):
        _set_log(axes, curves[0])
    axes.set(xlim=above.get_xlim(), xlabel=above.get_xlabel())
    above.set_xlabel("")
    above.tick_params(labelbottom=False)
    by_column = {curve["column"]: curve for curve in curves}
    axes.axhline(1, color=GRAY, linestyle=":", linewidth=1)
    axes.set_ylabel("MLPF / rules", fontsize=8.5)
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
    axes.tick_params(length=0)
    axes.set(xlabel="given class [% of the true class]", ylabel="true class")
    for (line, place), share in np.ndenumerate(shares):
        if np.isfinite(share):
            color = "white" if share > _DARK else INK
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
    if curves[0].get("kind") == "histogram":
        highest = max(float(np.nanmax(line.get_ydata())) for line in axes.lines)
        axes.set_ylim(0, 1.05 * max(highest, 1))
        whole_numbers(axes.yaxis)
    elif "efficiency" in curves[0]["name"] or "purity" in curves[0]["name"]:
        axes.set_ylim(_lowest(curves), 1.05)


def _lowest(curves: Iterable[Curve]) -> float:
    values = np.concatenate([_numbers(curve["values"]) for curve in curves])
    least = np.nanmin(values) if np.isfinite(values).any() else 0.0
    return float(max(-_BELOW, min(0.9, least - 0.1)))


def _numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in values], dtype=float)
