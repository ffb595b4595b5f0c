"""The public names of the packages, for mkdocstrings to describe from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("hpo", "qsvr", "mlpf")


def text() -> str:
    """Return the Markdown of the names of all packages."""
    return "\n\n".join(map(_package, PACKAGES))


def names(package: str) -> dict[str, str]:
    """Return the module of each public name, as the package tells type checkers.

    >>> names("hpo")["optimize"]
    'hpo.optimize'
    """
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    return {
        alias.name: str(node.module)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _package(name: str) -> str:
    told = ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text())) or ""
    known = names(name)
    entries = [_entry(name, each, known[each]) for each in sorted(known, key=str.lower)]
    return "\n\n".join([f"## {name}", told, *entries])


def _entry(package: str, name: str, module: str) -> str:
    """Return what mkdocstrings replaces: the place of a thing, below the name of its users."""
    shown = f"{package}.{name}"
    return f"::: {module}.{name}\n    options: {{heading: {shown}, toc_label: {shown}}}"
