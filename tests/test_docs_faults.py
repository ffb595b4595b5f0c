"""Each row of docs/faults.md names a test that exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = [
    line
    for line in (ROOT / "docs/faults.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("| fault or mistake |", "|---"))
]


def names(test):
    tree = ast.parse((ROOT / test).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_that_exists():
    for row in ROWS:
        *_, proof, _end = row.split("|")
        found = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", proof)
        assert found, row
        for file, name in found:
            assert name in names(file), row
