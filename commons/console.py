"""rich's console and table without its markup: texts are shown as they are.

Values, names and messages come from users, files and other programs. All that this project prints
with rich goes through here; see `commons.terminal` for what is made of control characters.
"""

from __future__ import annotations

from typing import Any

from rich import console, table

from commons.terminal import cell


class Console(console.Console):
    """A console that prints texts as they are."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects as rich does, but interpret nothing in a text."""
        super().print(*map(_plain, objects), **options)


class Table(table.Table):
    """A table whose cells, headings and title are shown as they are."""

    def __init__(self, *headings: Any, title: str | None = None, **options: Any) -> None:
        super().__init__(*map(_plain, headings), title=_plain(title), **options)

    def add_column(self, header: Any = "", *arguments: Any, **options: Any) -> None:
        """Add a column with this heading."""
        super().add_column(_plain(header), *arguments, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of these cells."""
        super().add_row(*map(_plain, cells), **options)


def _plain(text: Any) -> Any:
    return cell(text) if isinstance(text, str) else text
