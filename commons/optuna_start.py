"""Optuna without a package that it imports in advance.

Where redis is installed, `import optuna` imports it, for one of its storages, and that takes as
long as all of Optuna: a quarter of a second before the first trial of each sweep.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_UNNEEDED = "redis"


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> object:
        if sys.modules.get(_UNNEEDED) is self:  # Optuna itself is being imported
            raise AttributeError(name)
        return getattr(import_module(_UNNEEDED), name)


def import_optuna() -> None:
    """Import Optuna, and redis only when something of it is used."""
    is_there = _UNNEEDED in sys.modules or "optuna" in sys.modules
    if is_there or find_spec(_UNNEEDED) is None:
        return
    sys.modules[_UNNEEDED] = _StandIn(_UNNEEDED)
    try:
        import_module("optuna")
    finally:
        del sys.modules[_UNNEEDED]
