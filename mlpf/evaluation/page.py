"""The files that people read of an evaluation: `table.md`, pictures, and one page with all of it.

The page holds its pictures and its style, loads nothing and runs nothing. What comes from files,
as names of models and data, is text in it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from commons.files import replacing
from commons.terminal import one_line
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

_STYLE = """
:root { color-scheme: light dark; --line: #d0d4da; --soft: #f4f6f8; --text: #16191d;
  --paper: #fff; --good: #0b6e4f; --bad: #a3262a; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4048; --soft: #20242a; --text: #e6e8eb;
  --paper: #16191d; --good: #6fd3ae; --bad: #ff9c96; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--paper);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; font-size: 1.25rem; }
nav a { display: inline-block; margin-right: 1rem; } a { color: inherit; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; white-space: nowrap; }
td.number, th.number { text-align: right; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
.better { color: var(--good); } .worse { color: var(--bad); }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; padding: .5rem; border: 1px solid var(--line); border-radius: .4rem;
  background: #fff; color: #16191d; max-width: 100%; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .85rem; }
details { margin: 1rem 0; } summary { cursor: pointer; }
"""
# Even a text that is not escaped could load or run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


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
    plots, events = draw_plots(evaluation, folder), draw_displays(displays, folder)
    with replacing(page) as partial:
        partial.write_text(html_page(evaluation, plots, events, provenance))
    return [table, *plots, *events, page]


def html_page(
    evaluation: Mapping[str, Any],
    plots: Iterable[Path] = (),
    events: Iterable[Path] = (),
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Return the page, as `write_report`; `plots` and `events` are PNG files that it holds."""
    sections = [("Key figures", _table(key_lines(evaluation)) + f"<p>{escape(EXPLANATION)}</p>")]
    tables, pictures = grouped(lines(evaluation)), _by_group(plots)
    for group in GROUPS:
        content = _pictures(pictures.get(group, []))
        if group in tables:
            content += _folded(f"{len(tables[group])} figures", _table(tables[group]))
        sections.append((group, content))
    sections.append(("Events", _pictures(events)))
    sections.append(("Missing", _list(evaluation["missing"])))
    facts = {**(provenance or {}), **evaluation["settings"]}
    sections.append(("What was evaluated", _settings(facts)))
    shown = [(title, content) for title, content in sections if content]
    links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title, _ in shown)
    body = "".join(
        f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{content}</section>\n'
        for title, content in shown
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>MLPF evaluation</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>MLPF evaluation</h1><nav>{links}</nav>\n{body}</body></html>\n"
    )


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


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


def _pictures(paths: Iterable[Path]) -> str:
    shown = []
    for path in paths:
        name = escape(path.stem.replace("_", " "), quote=True)
        data = base64.b64encode(path.read_bytes()).decode()
        image = f'<img alt="{name}" src="data:image/png;base64,{data}">'
        shown.append(f"<figure>{image}<figcaption>{name}</figcaption></figure>\n")
    return f'<div class="pictures">{"".join(shown)}</div>' if shown else ""


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _list(texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(one_line(text))}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _settings(settings: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th>{escape(one_line(str(name)))}</th><td class="text">{_value(value)}</td></tr>\n'
        for name, value in settings.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{escape(one_line(k))}: {_value(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "<br>".join(map(_value, value))
    return escape(one_line(value if isinstance(value, str) else json.dumps(value)))
