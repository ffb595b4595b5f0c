"""What mkdocstrings does not understand in our docstrings, as Markdown: doctests and sources."""

from __future__ import annotations

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*\n?(?:(?!\s*$).*\n?)*", flags=re.M)


class Docstrings(griffe.Extension):
    """Called with each thing that mkdocstrings collects."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class or function."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """Return a docstring with examples as blocks of code and with sources as a list.

    >>> markdown("As in [Doe]_.")
    'As in [Doe].'
    """
    text = _DOCTEST.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", docstring)
    text = re.sub(r"^\.\. \[", "- [", text, flags=re.M)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.M)  # the heading that griffe knows
    return re.sub(r"\]_", "]", text)
