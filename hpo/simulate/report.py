"""The results of a simulation on the screen, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from rich import box

from commons.console import Console, Table
from commons.files import replacing
from commons.picture_labels import label_ends, label_points
from commons.picture_style import CYCLE, LINES, Picture, logarithmic

Row = dict[str, Any]
# Sweeps that only this method solves / only the other one, sign test, difference of epochs.
_PAIRED = ("won/lost", "p", "epochs more")
_WIDTH = 7.6  # of a panel with its margins, inches


def print_rows(console: Console, rows: Sequence[Row]) -> None:
    """Print one table per mode and, with a sampler, per distance."""
    for mode, within in dict.fromkeys((row["mode"], row["within"]) for row in rows):
        here = [row for row in rows if (row["mode"], row["within"]) == (mode, within)]
        table = _pool_table(here) if mode == "pool" else _sampler_table(here)
        console.print(table)
        if mode == "pool":
            console.print(here[0]["evidence"]["text"])


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write `simulate.json` and `simulate.png` into a folder, which is made if needed."""
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    with replacing(folder / "simulate.json") as partial:
        partial.write_text(f"[\n{lines}\n]\n")
    _draw(rows).save(folder / "simulate.png")


def _pool_table(rows: Sequence[Row]) -> Table:
    n, within, first = rows[0]["n"], rows[0]["within"], rows[0]["method"]
    table = figures_table(
        f"{n} orders: within {within:.4g} of Hyperband's final value",
        ("share", "mean epochs", "cost", "gap", "P within", "P <=", "against", *_PAIRED),
        first="method",
    )
    for row in rows:
        se, other = row["se"], row["nearest_baseline"] or first
        table.add_row(
            row["method"],
            f"{row['share']:.0%}",
            _with_error(row["mean_epochs"], se["mean_epochs"]),
            f"{row['cost']:.0f}",
            _with_error(row["gap"], se["gap"], ".4f"),
            _with_error(row["p_tol"], se["p_tol"], ".2f"),
            f"{row['p_leq']:.2f}",
            other if other in row["paired"] else "",
            *_against(row, other),
        )
    return table


def _sampler_table(rows: Sequence[Row]) -> Table:
    n, within, first = rows[0]["n"], rows[0]["within"], rows[0]["method"]
    table = figures_table(
        f"{n} sweeps: epochs to within {within:.4g} of the table's best, against {first}",
        ("solved", "median", "quartiles", "cost", *_PAIRED),
        first="method",
    )
    for row in rows:
        table.add_row(
            row["method"],
            f"{row['solved']}",
            or_never(row["median_epochs"]),
            " - ".join(or_never(x) for x in row["quartiles_epochs"][1:3]),
            or_never(row["cost"]),
            *_against(row, first),
        )
    return table


def figures_table(title: str, headings: Sequence[str], first: str = "") -> Table:
    """Return an empty table: names under the heading `first`, then figures under `headings`."""
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _against(row: Row, other: str | None) -> tuple[str, str, str]:
    if other not in row["paired"]:
        return "", "", ""
    paired = row["paired"][other]
    epochs = paired["epochs"]
    return (
        f"{paired['wins']}/{paired['losses']}",
        "" if paired["p"] is None else f"{paired['p']:.2g}",
        "" if epochs is None else f"{'+' * (epochs >= 0)}{_with_error(epochs, paired['se'])}",
    )


def _with_error(value: float, error: float | None, form: str = ".0f") -> str:
    return f"{value:{form}}" + ("" if error is None else f" ± {error:{form}}")


def or_never(value: float | None) -> str:
    """Return a number of epochs in words; None: the sweep did not get there."""
    return "never" if value is None else f"{value:.0f}"


def _draw(rows: Sequence[Row]) -> Picture:
    draw = {"pool": _draw_pool, "sampler": _draw_sampler}
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    table = Path(rows[0]["settings"]["curves"]["file"]).stem
    picture = Picture(
        f"{table}: simulated sweeps",
        columns=len(modes),
        width=_WIDTH * len(modes),
        height=5.4,
        label_room=1.8 if "sampler" in modes else 0.0,
    )
    for mode, axes in zip(modes, picture.panels, strict=True):
        logarithmic(axes, "x")
        draw[mode](axes, [row for row in rows if row["mode"] == mode])
    return picture


def _draw_pool(axes: Axes, rows: Sequence[Row]) -> None:
    for i, row in enumerate(rows):
        median = row["median_epochs"]
        _, low, high, _ = row["quartiles_epochs"]
        axes.errorbar(
            median,
            row["p_tol"],
            xerr=[[median - low], [high - median]],
            yerr=row["se"]["p_tol"] or 0.0,
            fmt="o",
            markersize=5,
            color=CYCLE[i % len(CYCLE)],
            elinewidth=0.8,
        )
    epochs, shares = [row["median_epochs"] for row in rows], [row["p_tol"] for row in rows]
    axes.set(xlabel="epochs of a sweep: median and quartiles", ylim=(min(shares) - 0.06, 1.03))
    axes.set_xlim(min(epochs) / 1.7, max(epochs) * 1.7)
    axes.set_ylabel(f"share of sweeps within {rows[0]['within']:.4g} of Hyperband's final value")
    label_points(axes, [*zip(epochs, shares, strict=True)], [row["method"] for row in rows])


def _draw_sampler(axes: Axes, rows: Sequence[Row]) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    distances = list(dict.fromkeys(row["within"] for row in rows))
    for row in rows:
        epochs = sorted(x for x in row["epochs"] if x is not None)
        shares = [i / row["n"] for i in range(1, len(epochs) + 1)]
        axes.step(
            epochs,
            shares,
            where="post",
            color=CYCLE[methods.index(row["method"]) % len(CYCLE)],
            linestyle=LINES[distances.index(row["within"]) % len(LINES)],
            label=f"{row['method']}, {row['within']:.4g}",
        )
    axes.set(xlabel="epochs of all workers", ylim=(-0.04, 1.06))
    axes.set_ylabel("share of sweeps within a distance of the table's best")
    label_ends(axes)
