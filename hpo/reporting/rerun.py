"""How a sweep was typed, so that its reader can type it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpo.attributes import COMMAND, stored


def program(attributes: Mapping[str, Any]) -> str:
    """Return the command that runs the application, without arguments.

    >>> program({COMMAND: {"module": "a.train", "file": None, "arguments": [], "cwd": "/"}})
    'python -m a.train'
    """
    typed = stored(attributes, COMMAND)
    if typed is None:
        return "python YOUR_APPLICATION.py"
    if typed["module"]:
        return f"python -m {typed['module']}"
    file, cwd = Path(str(typed["file"])), Path(typed["cwd"])
    return (
        f"python {shlex.quote(str(file.relative_to(cwd) if file.is_relative_to(cwd) else file))}"
    )


def sweep_command(attributes: Mapping[str, Any]) -> str | None:
    """Return the command of the sweep; None: the study does not say."""
    typed = stored(attributes, COMMAND)
    return typed and f"{program(attributes)} {shlex.join(typed['arguments'])}"
