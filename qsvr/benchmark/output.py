"""The benchmark's rows on screen, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from rich.box import SIMPLE_HEAD

from commons.console import Console, Table
from commons.picture_labels import label_ends
from commons.picture_style import CYCLE, INK, MARKERS, Picture, logarithmic
from qsvr.benchmark.rows import Difference, Row
from qsvr.benchmark.run import Job

MIN_WIDTH = 140  # of the tables; narrower terminals wrap lines
_TITLES = {"quantile": "published scales"}  # of protocols whose name says less


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
    """Draw mean R2 by fraction for each protocol with SVR, and the fits at one fraction.

    It needs no more than `figures` returns, so the picture can be drawn from the JSON file.
    """
    drawn = {n: r for n, r in _by_protocol(rows).items() if any(x.model == "SVR" for x in r)}
    n_panels = len(drawn) + 1
    picture = Picture(
        "Forecasts of learning curves: R2 of the final loss",
        rows=n_panels,
        width=9.2,
        height=4.2 * n_panels,
        label_room=2.9,
    )
    picture.figure.subplots_adjust(top=1 - 0.8 / picture.figure.get_figheight(), hspace=0.3)
    looks = _looks(rows)
    for axes, (protocol, own) in zip(picture.panels, drawn.items(), strict=False):
        _draw_fractions(axes, own, looks)
        axes.set_title(_TITLES.get(protocol, protocol), loc="left", fontsize=10.5)
    ordered = [r for own in _by_protocol(rows).values() for r in own if r.fraction == fraction]
    _draw_fits(picture.panels[-1], ordered, looks)
    title = f"{fraction:.0%} of the curve: mean ± standard deviation, worst to best; |: untrained"
    picture.panels[-1].set_title(title, loc="left", fontsize=10.5)
    picture.save(path)


def _looks(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return the color and marker of each model: the same in all panels.

    Later markers are smaller: those of equal models lie on each other.
    """
    models = dict.fromkeys(row.model for row in rows)
    return {
        model: {"color": color, "marker": marker, "ms": max(9 - i, 3)}
        for i, (model, color, marker) in enumerate(zip(models, cycle(CYCLE), cycle(MARKERS)))
    }


def _draw_fractions(axes: Axes, rows: Sequence[Row], looks: Mapping[str, dict[str, Any]]) -> None:
    kinds = dict.fromkeys((row.model, row.n_train) for row in rows)
    least = min(n_train for _, n_train in kinds)
    for model, n_train in kinds:
        own = [row for row in rows if (row.model, row.n_train) == (model, n_train)]
        known, means = [100 * row.fraction for row in own], [row.mean for row in own]
        line = "-" if n_train == least else ":"
        axes.errorbar(known, means, yerr=[row.se for row in own], ls=line, **looks[model])
        axes.lines[-1].set_label(f"{model}, {n_train} trainings")
    base = [row for row in rows if row.model == "SVR" and row.n_train == least]
    known = [100 * row.fraction for row in base]
    axes.plot(known, [row.untrained for row in base], "--", color=INK, label="untrained")
    logarithmic(axes, "x")
    axes.set(xlabel="known part of the curve [%]", ylabel="R2")
    axes.set_xticks(known, [f"{each:g}" for each in known])
    label_ends(axes)


def _draw_fits(axes: Axes, rows: Sequence[Row], looks: Mapping[str, dict[str, Any]]) -> None:
    for place, row in enumerate(rows):
        color = looks[row.model]["color"]
        axes.plot((row.worst, row.best), (place, place), color=color, lw=1)
        low, high = row.mean - row.std, row.mean + row.std
        axes.plot((low, high), (place, place), color=color, lw=5, alpha=0.4)
        axes.plot(row.mean, place, **looks[row.model])
        axes.plot(row.untrained, place, "|", color=INK, ms=12)
    names = [f"{_TITLES.get(r.protocol, r.protocol)}: {r.model}, {r.n_train}" for r in rows]
    axes.yaxis.tick_right()  # where there is room for names
    axes.set_yticks(range(len(rows)), names, fontsize=8.5)
    for row, name in zip(rows, axes.get_yticklabels(), strict=True):
        name.set_color(looks[row.model]["color"])
    axes.invert_yaxis()
    axes.set(xlabel="R2")
