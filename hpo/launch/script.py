"""The script of the command, which the processes of its jobs show as their `__main__`.

In a plain run classes and functions of the script can be pickled (checkpoints, `multiprocessing`,
`_target_: __main__.Net`), because they are found in `__main__`. The `__main__` of a worker is the
launcher's, so they are put there. The script is not run again: it need not guard its main part.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle


@dataclass(frozen=True)
class Script:
    """What `__main__` is for the application.

    Attributes:
        pid: of the process whose `__main__` it is.
        file: its path; None in an interactive session.
        module: its name, where it was started with `python -m`.
        program: the first word of the command line; the others may hold passwords.
        members: the classes and functions that it defines.
    """

    pid: int
    file: str | None
    module: str | None
    program: str
    members: dict[str, Any]

    @classmethod
    def of_this_process(cls) -> Script:
        """Describe the `__main__` of this process."""
        main = sys.modules["__main__"]
        file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
        return cls(
            os.getpid(),
            file and str(Path(file).absolute()),
            spec and spec.name,
            sys.argv[0],
            _own(main),
        )

    def adopt(self) -> None:
        """Make it the `__main__` of this process, unless it is."""
        if self.pid == os.getpid():
            return
        main = ModuleType("__main__")
        # With these two, children of `multiprocessing` and of Lightning find the script.
        main.__file__ = self.file
        main.__spec__ = None if self.module is None else ModuleSpec(self.module, None)
        vars(main).update(self.members)
        _name_nested(self.members)
        sys.modules["__main__"] = sys.modules["__mp_main__"] = main
        sys.argv[:] = [self.program]


def _name_nested(members: Mapping[str, Any], prefix: str = "") -> None:
    """Give classes inside of classes their full names, by which pickle finds them."""
    for name, value in members.items():
        if isinstance(value, type) and value.__module__ == "__main__" and value.__name__ == name:
            value.__qualname__ = prefix + name
            _name_nested(vars(value), f"{prefix}{name}.")


def _own(main: ModuleType) -> dict[str, Any]:
    """Return the classes and functions of a module that can be sent."""
    own = {
        name: value
        for name, value in vars(main).items()
        if isinstance(value, type | FunctionType) and value.__module__ == main.__name__
    }
    if _can_be_sent(own):
        return own
    return {name: value for name, value in own.items() if _can_be_sent(value)}


def _can_be_sent(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 - it uses what cannot be sent: a lock, an open file
        return False
    return True
