"""One HTML page for people: it holds its pictures and its style and loads nothing.

What comes from files, users and other programs is text in it. A policy forbids the browser to load
or run anything else, even if a text were not escaped; the only script is that of the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from commons.terminal import one_line, printable

_STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d4da; --soft: #f4f6f8; --text: #16191d;
  --paper: #fff; --good: #0b6e4f; --bad: #a3262a; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4048; --soft: #20242a; --text: #e6e8eb;
  --paper: #16191d; --good: #6fd3ae; --bad: #ff9c96; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--paper);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; } h2 { margin-top: 2.5rem; font-size: 1.25rem; }
nav a { display: inline-block; margin-right: 1rem; } a { color: inherit; }
.wide { overflow-x: auto; } .tall { max-height: 36rem; overflow: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; white-space: nowrap; }
td.number, th.number { text-align: right; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
.tall thead th { position: sticky; top: 0; background: var(--soft); }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; }
th[aria-sort="ascending"] button::after { content: " \\25B2"; }
th[aria-sort="descending"] button::after { content: " \\25BC"; }
.better { color: var(--good); } .worse { color: var(--bad); }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; padding: .5rem; border: 1px solid var(--line); border-radius: .4rem;
  background: #fff; color: #16191d; max-width: 100%; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .85rem; }
details { margin: 1rem 0; } summary { cursor: pointer; }
pre { padding: .7rem; overflow-x: auto; background: var(--soft); border-radius: .4rem;
  font-size: .85rem; }
.lead { font-size: 1.15rem; }
"""
# A click on a heading sorts the rows: numbers as numbers, cells without content last.
SORT: Final = """
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const read = row => { const cell = row.children[column]; return cell.dataset.value ?? ""; };
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = read(a), y = read(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : Number(x) - Number(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
"""


def _text(text: Any) -> str:
    return escape(one_line(text), quote=True)


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: plain text.
        content: HTML, with everything in it escaped; empty: the section is left out.
    """

    title: str
    content: str

    @property
    def anchor(self) -> str:
        """The name by which links find it."""
        return one_line(self.title).lower().replace(" ", "-")


def document(title: str, sections: Iterable[Section], intro: str = "", script: str = "") -> str:
    """Return a page: title, links to the sections, the sections.

    Args:
        title: plain text.
        sections: those with a content are shown.
        intro: HTML before the links.
        script: JavaScript that may run, no other.
    """
    shown = [section for section in sections if section.content]
    links = "".join(f'<a href="#{escape(s.anchor)}">{_text(s.title)}</a>' for s in shown)
    body = "".join(
        f'<section id="{escape(s.anchor)}"><h2>{_text(s.title)}</h2>{s.content}</section>\n'
        for s in shown
    )
    name = _text(title)
    runs = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f"<title>{name}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{name}</h1>{intro}<nav>{links}</nav>\n{body}{runs}</body></html>\n"
    )


def _policy(script: str) -> str:
    rule = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        rule += f"; script-src 'sha256-{digest}'"
    return rule


def pictures(paths: Iterable[Path], width: int | None = None) -> str:
    """Return PNG files as part of a page; the name of a file is its caption.

    `width` is that on the page, in pixels of a plain screen; None: that of the file.
    """
    size = f' width="{width}"' if width else ""
    shown = []
    for path in paths:
        name = escape(path.stem.replace("_", " "), quote=True)
        data = base64.b64encode(path.read_bytes()).decode()
        image = f'<img alt="{name}"{size} src="data:image/png;base64,{data}">'
        shown.append(f"<figure>{image}<figcaption>{name}</figcaption></figure>\n")
    return f'<div class="pictures">{"".join(shown)}</div>' if shown else ""


def sortable(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table whose rows a click on a heading sorts, with `SORT` as script of the page.

    Cells are texts, numbers or None.
    """
    head = "".join(f'<th><button type="button">{_text(h)}</button></th>' for h in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    inside = f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
    return f'<div class="tall"><table class="sortable">{inside}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        # Not finite: last, as a cell without content.
        known = repr(value) if math.isfinite(value) else ""
        return f'<td class="number" data-value="{known}">{shown}</td>'
    text = _text(value)
    return f'<td data-value="{text}">{text}</td>'


def folded(title: str, content: str) -> str:
    """Return a part of a page that a click on its title shows."""
    return f"<details><summary>{_text(title)}</summary>{content}</details>"


def bullets(texts: Sequence[str]) -> str:
    """Return a list of texts; nothing for none."""
    items = "".join(f"<li>{_text(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def code(text: str) -> str:
    """Return lines of code as part of a page."""
    return f"<pre><code>{escape(printable(text))}</code></pre>"


def facts(values: Mapping[str, Any]) -> str:
    """Return a table of names and values: numbers, texts, lists and mappings of them."""
    rows = "".join(
        f'<tr><th>{_text(name)}</th><td class="text">{_fact(value)}</td></tr>\n'
        for name, value in values.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{_text(k)}: {_fact(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "<br>".join(map(_fact, value))
    return _text(value if isinstance(value, str) else json.dumps(value))
