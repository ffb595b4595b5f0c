"""What the site adds to the pages of docs/: generated parts, and the files that pages link to.

MkDocs calls the functions `on_...`, see https://www.mkdocs.org/dev-guide/plugins/#events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.hooks import api, commands, configuration, repository

# A line `<!-- generated: NAME -->` of a page stands for what this returns.
PARTS: Mapping[str, Callable[[], str]] = {
    "api": api.text,
    "commands": commands.text,
    "configuration": configuration.text,
}

# Files outside of docs/ that docs/.nav.yml names.
IN_NAVIGATION = ("CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that the pages link to, and those that these link to."""
    waiting = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    waiting.append(("index.md", " ".join(f"[](../{name})" for name in IN_NAVIGATION)))
    while waiting:
        source, text = waiting.pop()
        for uri, path in repository.linked(repository.origin(source), text).items():
            if files.get_file_from_path(uri) is None:
                content = repository.content(path)
                files.append(File.generated(config, uri, content=content))
                if isinstance(content, str):
                    waiting.append((uri, content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated parts of a page, and let its links lead into the site."""
    text = re.sub(r"^<!-- generated: (\w+) -->$", lambda m: PARTS[m[1]](), markdown, flags=re.M)
    return repository.redirected(page.file.src_uri, text)
