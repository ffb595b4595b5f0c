"""The texts that docs/howto/trouble.md shows as messages are texts of the sources."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/howto/trouble.md").read_text()
SYMPTOMS = [row.split(" | ")[0] for row in PAGE.splitlines() if row.startswith("| ")]
MESSAGES = [text for row in SYMPTOMS for text in re.findall(r"`([^`]* [^`]*)`", row)]


@pytest.fixture(scope="module")
def texts():
    """All texts of the sources, those of f-strings and formats without their fields."""
    folders = [ROOT / package for package in ("hpo", "mlpf", "commons")]
    trees = [ast.parse(file.read_text()) for each in folders for file in each.rglob("*.py")]
    nodes = [node.value for tree in trees for node in ast.walk(tree) if type(node) is ast.Constant]
    constants = [value for value in nodes if isinstance(value, str)]
    return "\n".join(constants)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_sources(message, texts):
    pieces = [piece.strip() for piece in message.split("…")]
    missing = [piece for piece in pieces if len(piece) > 4 and piece not in texts]
    assert not missing


def test_every_row_has_a_cause_and_a_remedy():
    rows = [row for row in PAGE.splitlines() if row.startswith("| ")]
    assert all(row.count(" | ") >= 1 and not re.search(r"\|\s*\|", row) for row in rows)
