"""What we need of other libraries' internals: one line that says what an upgrade took away."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any


def missing(library: str, needs: Iterable[str], examples: Mapping[str, Any] | None = None) -> str:
    """Return a line that names what of the `needs` the installed library lacks; empty: nothing.

    Args:
        library: name of the distribution.
        needs: each "module:name.attribute" or "example.attribute", for a function or method with
            the names of the arguments that we give: "optuna.storages:get_storage(storage)".
        examples: objects by name, for attributes that only instances have.
    """
    lacks = [need for need in needs if not _is_there(need, examples or {})]
    return f"{library} {version(library)} lacks {', '.join(lacks)}" if lacks else ""


def _is_there(need: str, examples: Mapping[str, Any]) -> bool:
    path, arguments = re.fullmatch(r"([^()]+)(?:\((.*)\))?", need).groups()
    module, colon, names = path.partition(":")
    try:
        if colon:
            found, names = importlib.import_module(module), names.split(".")
        else:
            root, *names = path.split(".")
            found = examples[root]
        for name in names:
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return False
    if arguments is None:
        return True
    parameters = inspect.signature(found).parameters
    return all(name in parameters for name in filter(None, arguments.split(", ")))
