"""What comes from files and users cannot steer a terminal, and nothing of it vanishes."""

import io

import pytest
from rich.console import Console

from commons.terminal import cell, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\x08", r"a\rb\x08"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eevil", r"\u202eevil"),
        ("name\udcff", r"name\udcff"),
        ("tab\tand\nlines, größer, 日本", "tab\tand\nlines, größer, 日本"),
        (3, "3"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


def test_one_line_is_one_line():
    assert one_line("a\n  b\t\x1b[0m\n") == r"a b \x1b[0m"


@pytest.mark.parametrize("text", ["[relu]", "[/data/a]", "[/]", "[bold]x[/bold]", ":smile:"])
def test_a_cell_shows_markup_as_it_is(text):
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    console.print(cell(text))
    assert console.file.getvalue() == f"{text}\n"
