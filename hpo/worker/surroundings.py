"""What trials of one process must not pass on to each other: directory, environment, seeds."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

_log = logging.getLogger(__name__)


@contextmanager
def surroundings(cwd: str, seed: str) -> Iterator[None]:
    """Work in this directory, from these random states; take back what changes meanwhile.

    Working directory and environment variables are restored. `random`, numpy and PyTorch, also if
    it is only imported later, are seeded with a hash of the text `seed`.
    """
    before, environment = Path.cwd(), dict(os.environ)
    _enter(cwd)
    finder = _seed_all(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big"))
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        os.chdir(before)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def _enter(cwd: str) -> None:
    if Path(cwd).is_dir():
        os.chdir(cwd)
    else:
        text = "%s, where the command was typed, is not there; relative paths start in %s"
        _log.warning(text, cwd, Path.cwd())


def _seed_all(seed: int) -> _OnImport:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what applications use
    finder = _OnImport("torch", lambda torch: torch.manual_seed(seed))
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    else:
        sys.meta_path.insert(0, finder)
    return finder


class _OnImport(MetaPathFinder):
    """Calls a function with a module as soon as that is imported."""

    def __init__(self, name: str, function: Callable[[Any], object]) -> None:
        self._name, self._function = name, function

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have, with a loader that calls the function."""
        if fullname != self._name:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            _call_after(spec.loader, self._function)
        return spec


def _call_after(loader: Loader, function: Callable[[Any], object]) -> None:
    execute = loader.exec_module

    def execute_and_call(module: ModuleType) -> None:
        execute(module)
        function(module)

    loader.exec_module = execute_and_call  # type: ignore[method-assign]
