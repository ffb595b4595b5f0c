"""With which code and data a trial is trained, and that they have changed since it began."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hpo.hydra_internals import plain_values
from hpo.settings import is_among

_PACKAGES = ("hydra-core", "optuna", "torch", "mlpf-hpo")
_INSTALLED = {"site-packages", "dist-packages"}
_GIT_S = 10.0

Facts = Mapping[str, str]


def code_of(function: Callable[..., Any]) -> dict[str, str]:
    """Return what code a function runs with; what cannot be found out is left out.

    The keys: `python` and packages with their versions; `git`, the commit of the repository with
    the function, with `-dirty` if files have changed since, and then `changes`, a hash of these.
    """
    facts = {"python": platform.python_version()}
    file = _file_of(function)
    is_installed = file is not None and bool(_INSTALLED & set(file.parts))
    own = getattr(function, "__module__", "").partition(".")[0]
    # Which distribution a module is from takes half a second to find out; most have its name.
    for package in (*_PACKAGES, own) if is_installed and own else _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            facts[package] = importlib.metadata.version(package)
    if file is not None and not is_installed:
        facts |= _git_facts(file.parent)
    return facts


def config_hash(config: DictConfig, left_out: Iterable[str]) -> str:
    """Return a hash of a configuration as it is written, without Hydra's part and these keys."""
    plain = plain_values(config, without="hydra")  # half of all, and slow
    for key in left_out:
        _drop(plain, key.lstrip("+~").replace("/", ".").split("."))
    return _hash(repr(plain).encode())


def added(versions: Any, facts: Facts) -> tuple[list[dict[str, str]], str | None]:
    """Return the versions of a trial with these facts added, and what they change, as text.

    Args:
        versions: what the trial has stored, oldest first; anything else counts as nothing.
        facts: another version begins where one of them has another value.
    """
    known = [dict(each) for each in versions if isinstance(each, dict)] if versions else []
    last = known[-1] if known else {}
    change = changed(last, facts)
    if change is not None or not known:
        return [*known, {**last, **facts}], change
    return [*known[:-1], {**last, **facts}], None


def changed(before: Any, now: Facts) -> str | None:
    """Return as text what has changed; None: nothing that is known of both.

    >>> changed({"git": "abc", "optuna": "5.0"}, {"git": "def", "optuna": "5.0"})
    'git abc, goes on with git def'
    """
    before = before if isinstance(before, dict) else {}
    keys = [key for key in now if key in before and before[key] != now[key]]
    if not keys:
        return None
    old, new = (", ".join(f"{key} {facts[key]}" for key in keys) for facts in (before, now))
    return f"{old}, goes on with {new}"


def differences(
    known: Facts, wanted: Facts, own_groups: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the fixed settings in which two sweeps of an application differ: key and both values.

    Those of Hydra and of `own_groups` only set up a sweep.
    """
    for key in sorted(known.keys() | wanted.keys()):
        if known.get(key) != wanted.get(key) and not is_among(key, ["hydra", *own_groups]):
            yield key, known.get(key, "the default"), wanted.get(key, "the default")


def _file_of(function: Callable[..., Any]) -> Path | None:
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    kinds = function, type(function).__call__  # a function, or an object that is called
    code = next((kind.__code__ for kind in kinds if hasattr(kind, "__code__")), None)
    file = Path(code.co_filename) if code is not None else None
    return file.absolute() if file is not None and file.is_file() else None


def _git_facts(folder: Path) -> dict[str, str]:
    commit = _git(folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    if commit is None:
        return {}
    text = commit.decode(errors="replace").strip()
    changes = _git(folder, "diff", "HEAD") if text.endswith("-dirty") else None
    return {"git": text} if changes is None else {"git": text, "changes": _hash(changes)}


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_GIT_S)
    except (OSError, subprocess.TimeoutExpired):  # not installed, or a slow file system
        return None
    return done.stdout if done.returncode == 0 else None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _drop(node: Any, path: Sequence[str]) -> None:
    for key in path[:-1]:
        node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(path[-1], None)
