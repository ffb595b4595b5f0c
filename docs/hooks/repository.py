"""Files of the repository outside of docs/ that a page links to become part of the site.

Figures, pictures and tables are copied. Code becomes a page that shows it, a folder one page of
its files. So the links work in a checkout and on the site, wherever either of them is published.
"""

from __future__ import annotations

import os.path
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = "repository"
COPIED = {".json", ".png", ".svg", ".csv"}
_LINK = re.compile(r"(?<=\]\()([\w./-]+)(?=(?:#[\w.-]*)?\))")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".toml": "toml"}
_HEAD = "---\nsearch: {exclude: true}\n---\n"


def origin(uri: str) -> str:
    """Return the path in the repository of a file of the site.

    >>> origin("howto/slurm.md"), origin("repository/CHANGELOG.md")
    ('docs/howto/slurm.md', 'CHANGELOG.md')
    """
    return uri.removeprefix(f"{FOLDER}/") if uri.startswith(f"{FOLDER}/") else f"docs/{uri}"


def linked(page: str, text: str) -> dict[str, Path]:
    """Return the files and folders that only the repository has and that a page links to.

    Args:
        page: its path in the repository, "docs/index.md".
        text: Markdown.

    Returns:
        The path of each, by its address in the site.
    """
    found = {_target(page, link) for link in _LINK.findall(text)}
    return {_uri(path): ROOT / path for path in found if _uri(path).startswith(f"{FOLDER}/")}


def content(path: Path) -> str | bytes:
    """Return what the site has in place of a file or folder: Markdown, or the bytes of a copy."""
    if path.suffix in COPIED:
        return path.read_bytes()
    if path.suffix == ".md":
        return path.read_text()
    name = path.relative_to(ROOT).as_posix()
    if path.is_file():
        return f"{_HEAD}# `{name}`\n\n{_shown(path)}"
    inside = subprocess.check_output(["git", "ls-files", name], cwd=ROOT, text=True).split()
    parts = (f"## `{Path(file).relative_to(name)}`\n\n{_shown(ROOT / file)}" for file in inside)
    return "\n".join([f"{_HEAD}# `{name}`\n", *parts])


def redirected(uri: str, text: str) -> str:
    """Return the text of a page with links to files of the repository that lead into the site."""
    page, folder = origin(uri), Path(uri).parent

    def link(match: re.Match[str]) -> str:
        path = _target(page, match[1])
        return os.path.relpath(_uri(path), folder) if path else match[1]

    return _LINK.sub(link, text)


def _target(page: str, link: str) -> str:
    """Return the path in the repository that a link leads to; nothing if there is none."""
    path = os.path.normpath(Path(page).parent / link)
    return "" if path.startswith("..") or not (ROOT / path).exists() else path


def _uri(path: str) -> str:
    if path.startswith("docs/") and (ROOT / path).is_file():
        return path.removeprefix("docs/")
    is_page = (ROOT / path).is_dir() or Path(path).suffix not in {*COPIED, ".md"}
    return f"{FOLDER}/{path}" + (".md" if is_page and path else "") if path else ""


def _shown(path: Path) -> str:
    return f"````{_LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}````\n"
