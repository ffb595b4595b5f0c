"""The package page: README.md with absolute links, since the page has no files beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"^(\[[^\]]+\]: )(?!https?://)(\S+)$", re.MULTILINE)


def with_absolute_links(text: str, repository: str) -> str:
    """Return a Markdown text whose reference links to files lead into a repository.

    Args:
        text: its relative links are all of the form `[name]: path`, a line each.
        repository: address without a slash at the end.
    """

    def absolute(match: re.Match[str]) -> str:
        name, path = match.groups()
        kind = "raw" if path.endswith(".png") else "blob"  # pictures as they are, texts rendered
        return f"{name}{repository}/{kind}/HEAD/{path}"

    return _RELATIVE.sub(absolute, text)


class Readme(MetadataHookInterface):
    """Sets the long description while the package is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `readme` to the table `project` of pyproject.toml."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(text, metadata["urls"]["Repository"]),
        }
