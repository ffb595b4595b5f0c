"""Optuna without packages that it imports in advance.

Where redis is installed, `import optuna` imports it, for one of its storages, and that takes as
long as all of Optuna: a quarter of a second before the first trial of each sweep. The progress bar
of `Study.optimize` costs a third of that.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_UNNEEDED, _BAR = "redis", "tqdm.auto"


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> object:
        if sys.modules.get(_UNNEEDED) is self:  # Optuna itself is being imported
            raise AttributeError(name)
        return getattr(import_module(_UNNEEDED), name)


class _Bar:
    """Becomes the class `tqdm` when it is used."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module(_BAR).tqdm(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(_BAR).tqdm, name)


def import_optuna() -> None:
    """Import Optuna, and these packages only when something of them is used."""
    if "optuna" in sys.modules:
        return
    stand_ins = _stand_ins()
    sys.modules.update(stand_ins)
    try:
        import_module("optuna")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType]:
    found: dict[str, ModuleType] = {}
    if _UNNEEDED not in sys.modules and find_spec(_UNNEEDED) is not None:
        found[_UNNEEDED] = _StandIn(_UNNEEDED)
    package, *_ = _BAR.split(".")
    if package not in sys.modules and find_spec(package) is not None:
        found |= {package: ModuleType(package), _BAR: ModuleType(_BAR)}
        vars(found[_BAR])["tqdm"] = _Bar()
    return found
