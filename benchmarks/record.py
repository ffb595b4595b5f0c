"""What a committed figure is made by: command, day, machine, libraries and the code it depends on.

The code of a module is its syntax tree without comments, docstrings and formatting, so that only a
change of behavior makes a figure stale. The place of an imported module of this repository does
not count either: a module that is moved changes no figure.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Final

import yaml

from commons.files import write_json
from commons.processes import n_cores
from testbed.machine import commit, processor

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("mlpf", "hpo", "qsvr", "commons", "hydra_plugins", "benchmarks", "testbed")
_CONF: Final = "conf"
_WITH_TEXT = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_DIGITS: Final = 16


def write_result(
    path: Path,
    figures: Mapping[str, Any],
    *,
    command: str,
    depends: Sequence[str],
    seeds: Sequence[int] | None = None,
    extends: bool = False,
) -> None:
    """Write figures as JSON, with a key `record` that says what they are made by.

    Args:
        path: of the JSON file; its folder is made if needed.
        figures: any keys but `record`.
        command: makes the file again when it is typed in the root of the repository; it begins
            with `python` or `make`.
        depends: modules and packages whose code decides the figures, such as `hpo.search`, and
            YAML files or folders of them, such as `conf/hpo/best.yaml`; packages and folders
            stand for all that they hold. What does not change the figures does not belong here.
        seeds: of the runs; None: there are none.
        extends: the file keeps figures of earlier runs. Code of theirs that has changed since
            counts on, so the file is stale until it is removed and made again.

    Raises:
        ValueError: there is no such module or file, or a number is not finite.
    """
    record = make_record(command, depends, seeds)
    if extends and path.exists():
        record["code"] |= _older_code(path)
    write_json(path, {**figures, "record": record})


def _older_code(path: Path) -> dict[str, str]:
    code = json.loads(path.read_text()).get("record", {}).get("code", {})
    return {name: code[name] for name in changed(code)}


def make_record(
    command: str, depends: Sequence[str], seeds: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return what `write_result` writes under `record`; `code` has a hash for each module."""
    known = commit()
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "commit": known.removesuffix("+"),
        "dirty": known.endswith("+"),
        "versions": versions(depends),
        "seeds": None if seeds is None else list(seeds),
        "code": hashes(depends),
    }


def machine() -> dict[str, Any]:
    """Return processor, cores, memory (GiB), GPU if there is one, and Python; no host name."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = {
        "cpu": processor().rpartition(",")[0],
        "cores": n_cores(),
        "memory_gib": round(pages / 2**30, 1),
        "python": platform.python_version(),
    }
    torch = sys.modules.get("torch")  # not imported for this: a figure without it needs no GPU
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def versions(depends: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed libraries that the code imports, by distribution."""
    names = {
        name
        for file in _files(depends).values()
        if file.suffix == ".py"
        for name in _libraries(ast.parse(file.read_text()))
    }
    known = packages_distributions()
    return {each: version(each) for each in sorted({d for n in names for d in known.get(n, ())})}


def _libraries(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def hashes(depends: Sequence[str], root: Path = ROOT) -> dict[str, str]:
    """Return the hash of the code of each module, and of the values of each YAML file.

    Raises:
        ValueError: there is no such module or file.
    """
    return {name: hash_of(file) for name, file in _files(depends, root).items()}


def changed(code: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Return the names of the modules and files whose hash is no longer the one in `code`.

    One that has moved, so that its hash is now found under another name, has not changed.
    """
    now: dict[str, str] = {}
    for name in code:
        try:
            now |= hashes([name], root)
        except ValueError:  # moved or removed
            continue
    gone = [name for name in code if name not in now]
    elsewhere = {hash_of(file) for file in _everything(root)} if gone else set()
    differ = {name for name in now.keys() & code.keys() if now[name] != code[name]}
    return sorted(differ | {name for name in gone if code[name] not in elsewhere})


def _everything(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from (root / package).rglob("*.py")
    yield from (root / _CONF).rglob("*.yaml")


def _files(depends: Iterable[str], root: Path = ROOT) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in depends:
        is_conf = "/" in name
        place = root / (name if is_conf else name.replace(".", "/"))
        if place.is_dir():
            files = sorted(place.rglob("*.yaml" if is_conf else "*.py"))
        else:
            files = [place if is_conf else place.with_name(f"{place.name}.py")]
        if not files or not files[0].is_file():
            raise ValueError(f"depends: {name}: no such module or file")
        found |= {_name(file.relative_to(root)): file for file in files}
    return found


def _name(file: Path) -> str:
    if file.suffix != ".py":
        return file.as_posix()
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def hash_of(file: Path) -> str:
    """Return the hash of the behavior of a module, or of the values of a YAML file."""
    return hash_of_text(file.read_text(), file.suffix == ".py")


def hash_of_text(text: str, is_python: bool) -> str:
    """Return the hash of a module's code, or of the values of a YAML text, in hexadecimal."""
    content = _shape(ast.parse(text)) if is_python else _values(yaml.safe_load(text))
    return hashlib.sha256(repr(content).encode()).hexdigest()[:_DIGITS]


def _shape(node: object) -> object:
    """Return a tree as tuples; empty fields, which differ between Pythons, are left out."""
    if isinstance(node, list):
        return tuple(_shape(each) for each in node)
    if not isinstance(node, ast.AST):
        return node
    shown: dict[str, object] = dict(ast.iter_fields(node))
    if isinstance(node, _WITH_TEXT):
        shown["body"] = [each for each in node.body if not _is_text(each)]
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
        del shown["module"]
    if isinstance(node, ast.JoinedStr):  # Python 3.12.1 ends a nested format with an empty text
        shown["values"] = [each for each in node.values if getattr(each, "value", None) != ""]
    fields = [(key, _shape(value)) for key, value in shown.items() if value not in (None, [])]
    return type(node).__name__, *fields


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _values(content: object) -> object:
    if isinstance(content, dict):
        return tuple(sorted((repr(key), _values(value)) for key, value in content.items()))
    if isinstance(content, list):
        return [_values(each) for each in content]
    return content
