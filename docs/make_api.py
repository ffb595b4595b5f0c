"""Write docs/reference/api.md from the public names of the packages: `make api`."""

from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass
from doctest import DocTestParser
from enum import Enum
from importlib import import_module
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType

PACKAGES = ("hpo", "qsvr", "mlpf")
PAGE = Path(__file__).with_name("reference") / "api.md"
WIDTH = 99
HEAD = """\
# Public API

Everything that is not on this page may change without notice. `make api` writes the page from the
docstrings. In the examples the public names of the package are imported: `from hpo import *`.
"""


def page() -> str:
    """Return the text of docs/reference/api.md."""
    return "\n".join([HEAD, *(_package(import_module(name)) for name in PACKAGES)])


def arguments(thing: object) -> dict[str, str]:
    """Return the description of each argument, or of each field of a dataclass, by name.

    A class without a list of its own has that of the class it refines.
    """
    heading = "(?:Args|Attributes)" if is_dataclass(thing) else "Args"
    owners = inspect.getmro(thing) if inspect.isclass(thing) else [thing]
    pattern = re.compile(rf"^{heading}:\n((?: +.*\n?|\n)+)", flags=re.M)
    found = [match[1] for each in owners if (match := pattern.search(inspect.getdoc(each) or ""))]
    items = re.findall(r"^\**(\w+): (.*(?:\n +.*)*)", dedent("".join(found[:1])), flags=re.M)
    return {name: " ".join(text.split()) for name, text in items}


def examples(thing: object) -> str:
    """Return the doctests of a docstring, as they look in a Python session."""
    found = DocTestParser().get_examples(inspect.getdoc(thing) or "")
    return "".join(f"{_session(each.source)}{each.want}" for each in found)


def signature(thing: object) -> inspect.Signature:
    """Return what a public name is called with; nothing for an enumeration."""
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, Enum)):
        return inspect.Signature()
    return inspect.signature(thing)


def _session(source: str) -> str:
    first, *others = source.splitlines()
    return "".join([f">>> {first}\n", *(f"... {line}".rstrip() + "\n" for line in others)])


def _package(package: ModuleType) -> str:
    names = sorted(package.__all__, key=str.lower)
    entries = [_entry(f"{package.__name__}.{name}", getattr(package, name)) for name in names]
    return "\n".join([f"## {package.__name__}\n", f"{_paragraph(package)}\n", *entries])


def _entry(name: str, thing: object) -> str:
    types = {name: p.annotation for name, p in signature(thing).parameters.items()}
    items = [f"- `{key}` (`{types.get(key)}`): {text}" for key, text in arguments(thing).items()]
    parts = [f"### {name}", f"```python\n{_call(name, thing)}\n```", _paragraph(thing)]
    parts += ["\n".join(items)] if items else []
    if example := examples(thing):
        parts.append(f"```pycon\n{example}```")
    return "\n\n".join(parts) + "\n"


def _call(name: str, thing: object) -> str:
    if inspect.isclass(thing) and issubclass(thing, Enum):
        return f"{name}: {', '.join(member.name for member in thing)}"
    called, empty = signature(thing), inspect.Signature.empty
    bare = [p.replace(annotation=empty) for p in called.parameters.values()]
    inner = str(inspect.Signature(bare))[1:-1]
    back = "" if called.return_annotation in (empty, None, "None") else called.return_annotation
    end = f") -> {back}" if back else ")"
    if len(name + inner + end) < WIDTH:
        return f"{name}({inner}{end}"
    return f"{name}(\n{indent(inner.replace(', ', ',' + chr(10)), '    ')},\n{end}"


def _paragraph(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("]_", "]")


if __name__ == "__main__":
    PAGE.write_text(page())
