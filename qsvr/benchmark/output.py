"""The benchmark's rows on screen, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from rich.box import SIMPLE_HEAD

from commons.console import Console, Table
from commons.picture_labels import label_ends
from commons.picture_style import CYCLE, INK, LINES, Picture, logarithmic
from qsvr.benchmark.rows import Difference, Row
from qsvr.benchmark.run import Job

MIN_WIDTH = 140  # of the tables; narrower terminals wrap lines


def announce(console: Console, jobs: Sequence[Job]) -> None:
    """Print what is about to be computed, since without a terminal there is no progress bar."""
    n_fits = sum(len(job.seeds) * len((*job.part.models, *job.part.paired)) for job in jobs)
    console.print(f"{n_fits} fits; this takes half a minute or more")


def print_tables(console: Console, rows: Sequence[Row], fraction: float, notes: str) -> None:
    """Print all figures at one fraction of the curve, then the means at all fractions."""
    for title, add in (
        (f"R2 at {fraction:.0%} of the curve", _detailed),
        ("R2 by known fraction of the curve, in brackets without training", _by_fraction),
    ):
        table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        add(table, rows, fraction)
        for number, column in enumerate(table.columns):
            column.justify, column.no_wrap = ("right" if number else "left"), True
        console.print(table)
    console.print(notes)


def _detailed(table: Table, rows: Sequence[Row], fraction: float) -> None:
    columns = "model,train,fits,best,worst,mean,std,rho,CPU s,untr.,- untr.,- SVR"
    for name in columns.split(","):
        table.add_column(name)
    for protocol, own in _by_protocol(rows).items():
        table.add_row(protocol, style="bold")
        for row in own:
            if row.fraction == fraction:
                table.add_row(*_cells(row))


def _cells(row: Row) -> list[str]:
    figures = (row.best, row.worst, row.mean, row.std, row.rho)
    return [
        f"  {row.model}",
        str(row.n_train),
        str(row.n_fits),
        *[f"{figure:.4f}" for figure in figures],
        "" if row.cpu_s_per_fit is None else f"{row.cpu_s_per_fit:.3f}",
        f"{row.untrained:.4f}",
        _signed(row.minus_untrained),
        _signed(row.minus_classical),
    ]


def _by_fraction(table: Table, rows: Sequence[Row], fraction: float) -> None:
    """Models at all fractions; those with a row at `fraction` alone are left out."""
    fractions = sorted({row.fraction for row in rows}, reverse=True)
    for name in ("model", "train", *[f"{each:.0%}" for each in fractions]):
        table.add_column(name)
    for protocol, own in _by_protocol(rows).items():
        lines: dict[tuple[str, int], dict[float, str]] = {}
        for row in own:
            cell = f"{row.mean:.3f}±{row.se:.3f} ({row.untrained:.3f})"
            lines.setdefault((row.model, row.n_train), {})[row.fraction] = cell
        table.add_row(protocol, style="bold")
        for (model, n_train), cells in lines.items():
            if set(cells) > {fraction}:
                table.add_row(f"  {model}", str(n_train), *[cells[each] for each in fractions])


def _signed(difference: Difference | None) -> str:
    return "" if difference is None else f"{difference.mean:+.4f}±{difference.se:.4f}"


def _by_protocol(rows: Sequence[Row]) -> dict[str, list[Row]]:
    protocols = dict.fromkeys(row.protocol for row in rows)
    return {name: [row for row in rows if row.protocol == name] for name in protocols}


def figures(row: Row) -> dict[str, Any]:
    """Return a row for JSON: all but its single fits."""
    return {name: value for name, value in asdict(row).items() if name != "r2"}


def draw(path: Path, rows: Sequence[Row], fraction: float) -> None:
    """Draw mean R2 by fraction for each protocol with SVR, and the fits at one fraction."""
    protocols = _by_protocol(rows)
    drawn = {n: own for n, own in protocols.items() if any(r.model == "SVR" for r in own)}
    n_panels = len(drawn) + 1
    picture = Picture(
        "forecasts of learning curves: R2 of the final loss",
        columns=n_panels,
        width=6.4 * n_panels,
        height=5,
        label_room=2.1,
    )
    *panels, right = picture.panels
    for axes, (protocol, own) in zip(panels, drawn.items(), strict=True):
        _draw_fractions(axes, own, protocol)
    ordered = [row for own in protocols.values() for row in own if row.fraction == fraction]
    _draw_fits(right, ordered, fraction)
    picture.save(path)


def _draw_fractions(axes: Axes, rows: Sequence[Row], protocol: str) -> None:
    kinds = dict.fromkeys((row.model, row.n_train) for row in rows)
    for i, (model, n_train) in enumerate(kinds):
        own = [row for row in rows if (row.model, row.n_train) == (model, n_train)]
        known, means = [100 * row.fraction for row in own], [row.mean for row in own]
        color = CYCLE[i % len(CYCLE)]
        axes.errorbar(known, means, yerr=[row.se for row in own], fmt="none", color=color)
        axes.plot(known, means, "o", ms=4, ls=LINES[i // len(CYCLE)], color=color)
        axes.lines[-1].set_label(f"{model}, {n_train} trainings")
    base = [row for row in rows if row.model == "SVR"]
    few = [row for row in base if row.n_train == min(each.n_train for each in base)]
    known = [100 * row.fraction for row in few]
    axes.plot(known, [row.untrained for row in few], "--", color=INK, label="untrained")
    logarithmic(axes, "x")
    axes.set(xlabel="known part of the curve [%]", ylabel="R2", title=protocol)
    axes.set_xticks(known, [f"{each:g}" for each in known])
    label_ends(axes)


def _draw_fits(axes: Axes, rows: Sequence[Row], fraction: float) -> None:
    axes.boxplot([row.r2 for row in rows], orientation="horizontal")
    labels = [f"{row.protocol}: {row.model}, {row.n_train}" for row in rows]
    axes.yaxis.tick_right()  # where there is room for names
    axes.set_yticks(range(1, len(rows) + 1), labels, fontsize=8)
    places = range(1, len(rows) + 1)
    axes.plot([row.untrained for row in rows], places, "|", color=INK, ms=12)
    axes.invert_yaxis()
    title = f"{fraction:.0%} of the curve; bar: untrained"
    axes.set(xlabel="R2 of each fit", title=title)
