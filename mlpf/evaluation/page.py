"""The files that people read of an evaluation: `table.md`, pictures, and one page with all of it.

The page holds its pictures and its style, loads nothing and runs nothing. What comes from files,
as names of models and data, is text in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from commons.files import replacing
from commons.pages import Section, bullets, document, facts, folded, pictures
from mlpf.evaluation.display import Display, draw_displays
from mlpf.evaluation.plots import draw_plots
from mlpf.evaluation.table import (
    EXPLANATION,
    GROUPS,
    HEADINGS,
    Line,
    group_of,
    grouped,
    key_lines,
    lines,
    markdown,
)

PAGE: Final = "evaluation.html"
TABLE: Final = "table.md"
_N_TEXTS: Final = 2  # of the first cells of a line; the others are numbers


def write_report(
    evaluation: Mapping[str, Any],
    folder: Path,
    displays: Sequence[Display] = (),
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write `table.md`, the pictures and `evaluation.html`; return their paths.

    Args:
        evaluation: the content of an `evaluation.json`.
        folder: is made if needed.
        displays: events to show.
        provenance: what the page says beside the settings, for example the command and the files;
            numbers, texts and lists of them by name.
    """
    table, page = folder / TABLE, folder / PAGE
    with replacing(table) as partial:
        partial.write_text(markdown(evaluation))
    subject = _subject(evaluation["settings"], provenance or {})
    plots = draw_plots(evaluation, folder, subject)
    events = draw_displays(displays, folder, subject)
    with replacing(page) as partial:
        partial.write_text(html_page(evaluation, plots, events, provenance))
    return [table, *plots, *events, page]


def _subject(settings: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """Return which networks were evaluated on which events, for the titles of pictures.

    >>> settings = {"networks": {"a": "12ab", "b": "34cd"}, "n_events": 2000}
    >>> _subject(settings, {"split": "test", "data": {"folder": "data/qcd"}})
    'a, b, 2,000 events of the split test of qcd'
    >>> _subject(settings, {"split": "test", "files": ["data/x*.parquet"]})
    'a, b, 2,000 events of x*.parquet'
    """
    shown = f"{', '.join(settings['networks'])}, {settings['n_events']:,} events"
    folder, files = provenance.get("data", {}).get("folder"), provenance.get("files")
    if files:
        names = [files] if isinstance(files, str) else files
        return f"{shown} of {', '.join(Path(name).name for name in names)}"
    if "split" not in provenance:
        return shown
    place = f" of {Path(folder).name}" if folder else ""
    return f"{shown} of the split {provenance['split']}{place}"


def html_page(
    evaluation: Mapping[str, Any],
    plots: Iterable[Path] = (),
    events: Iterable[Path] = (),
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Return the page, as `write_report`; `plots` and `events` are PNG files that it holds."""
    key_figures = _table(key_lines(evaluation)) + f"<p>{escape(EXPLANATION)}</p>"
    sections = [Section("Key figures", key_figures)]
    tables, shown = grouped(lines(evaluation)), _by_group(plots)
    for group in GROUPS:
        content = pictures(shown.get(group, []))
        if group in tables:
            content += folded(f"{len(tables[group])} figures", _table(tables[group]))
        sections.append(Section(group, content))
    sections.append(Section("Events", pictures(events)))
    sections.append(Section("Missing", bullets(evaluation["missing"])))
    settings = {**(provenance or {}), **evaluation["settings"]}
    sections.append(Section("What was evaluated", facts(settings)))
    return document("MLPF evaluation", sections)


def _by_group(plots: Iterable[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for plot in plots:
        groups.setdefault(group_of(plot.stem), []).append(plot)
    return groups


def _table(members: Sequence[Line]) -> str:
    if not members:
        return ""
    head = "".join(f"<th{_number(place)}>{escape(h)}</th>" for place, h in enumerate(HEADINGS))
    rows = "".join(f"<tr>{_row(line)}</tr>\n" for line in members)
    return f'<div class="wide"><table><tr>{head}</tr>\n{rows}</table></div>'


def _row(line: Line) -> str:
    cells = [f"<td{_number(place)}>{escape(text)}</td>" for place, text in enumerate(line.cells())]
    mark = HEADINGS.index("")
    if line.verdict:
        text = escape(line.cells()[mark])
        cells[mark] = f'<td class="{line.verdict}">{text}</td>'
    return "".join(cells)


def _number(place: int) -> str:
    return ' class="number"' if _N_TEXTS <= place < len(HEADINGS) - 1 else ""
