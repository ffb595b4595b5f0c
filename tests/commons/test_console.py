"""What is printed with rich is shown as it is, everywhere."""

import io
import re
from pathlib import Path

import pytest

from commons.console import Console, Table

ROOT = Path(__file__).parents[2]
PACKAGES = ("mlpf", "hpo", "qsvr", "commons", "hydra_plugins", "benchmarks")
HOSTILE = ["[relu]", "[/data/a]", "[/]", "[bold]x", "a\x1b[2Jb", ":smile:", "name\udcff"]
SHOWN = ["[relu]", "[/data/a]", "[/]", "[bold]x", r"a\x1b[2Jb", ":smile:", r"name\udcff"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


@pytest.mark.parametrize(("text", "shown"), [*zip(HOSTILE, SHOWN, strict=True)])
def test_a_text_is_shown_as_it_is_in_lines_titles_headings_and_cells(console, text, shown):
    table = Table(title=f"1 {text}")
    table.add_column(f"2 {text}")
    table.add_row(f"3 {text}", style="bold")
    console.print(f"0 {text}")
    console.print(table)
    printed = console.file.getvalue()
    assert [f"{number} {shown}" in printed for number in range(4)] == [True] * 4
    assert "\x1b" not in printed


def test_nothing_else_prints_with_rich():
    used = re.compile(r"from rich(\.console|\.table)? import .*\b(Console|Table|print)\b")
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert [str(file) for file in files if used.search(file.read_text())] == []
    assert len(files) > 100
