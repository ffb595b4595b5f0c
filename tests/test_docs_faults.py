"""Each row of docs/reference/faults.md and docs/reference/features.md names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADS = ("| fault or mistake |", "| feature |", "|---")
ROWS = [
    line
    for page in ("faults", "features")
    for line in (ROOT / f"docs/reference/{page}.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(HEADS)
]


def names(test):
    tree = ast.parse((ROOT / test).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_a_test_that_exists(row):
    found = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert found
    for file, name in found:
        assert name in names(file)
