"""The command line of the commands that Hydra does not run: `key=value`, `--help`, exit codes.

A mistake of the user is one line on stderr; the environment variable HYDRA_FULL_ERROR=1 asks for
the traceback, as it does in Hydra's commands.
"""

from __future__ import annotations

import difflib
import os
import runpy
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from commons.extras import importer, remedy
from commons.terminal import one_line

Settings = TypeVar("Settings")

FULL_ERROR = "HYDRA_FULL_ERROR"
BORROWED: list[str] = []  # variables that a command has set for Hydra, and not its user
_EXPECTED: dict[Any, str] = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list such as [a,b]",
    dict: "a mapping such as {a: 1}",
    Path: "a path",
}


class UsageError(ValueError):
    """An argument of a command is wrong; the command ends with exit code 2."""


class Failure(Exception):
    """A command cannot do its work; it ends with exit code 1."""


def run_command(
    work: Callable[[Settings], int | None],
    kind: type[Settings],
    arguments: Sequence[str],
    text: str | None,
) -> int:
    """Run a command and return its exit code.

    Args:
        work: does it; returns the exit code, None for 0. `UsageError` means 2, and `Failure`,
            `ValueError`, `OSError` and a package that is not installed mean 1: their message is
            printed in one line.
        kind: a dataclass; a field without a default is a required key.
        arguments: `key=value` each.
        text: what `--help` prints, and a call without arguments where a key is required (code 2).
    """
    if {"-h", "--help"} & set(arguments) or (not arguments and _required(kind)):
        print((text or "").strip())
        return 0 if arguments else 2
    return guard(lambda: work(parse(kind, arguments)))


def dispatch(
    commands: Mapping[str, Callable[[list[str]], int]], arguments: Sequence[str], text: str | None
) -> int:
    """Run the command that the first argument names, with the others; return its exit code.

    `text` is what `--help` prints, and a call without arguments (code 2).
    """
    if not arguments or arguments[0] in {"-h", "--help"}:
        print((text or "").strip())
        return 0 if arguments else 2

    def work() -> int:
        name, *rest = arguments
        if name not in commands:
            near = did_you_mean(name, commands)
            raise UsageError(f"{name}: no such command{near} (see --help)")
        return commands[name](rest)

    return guard(work)


def run_subcommand(package: str, commands: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run `PACKAGE COMMAND ...` as `python -m PACKAGE.COMMAND ...`; return its exit code.

    `commands` are the names of modules of the package and one line about each.
    """

    def run(name: str, rest: list[str]) -> int:
        sys.argv[1:] = rest
        # As __main__: then workers and ranks are started and functions pickled as by python -m.
        runpy.run_module(f"{package}.{name}", run_name="__main__", alter_sys=True)
        return 0

    lines = [f"  {name:10}{line}" for name, line in commands.items()]
    text = f"{package} COMMAND [key=value ...]\n\n" + "\n".join(lines)
    text += f"\n\n{package} COMMAND --help explains the command."
    return dispatch({name: partial(run, name) for name in commands}, arguments, text)


def guard(work: Callable[[], int | None]) -> int:
    """Call `work` and return the exit code of a command, see `run_command`."""
    try:
        return work() or 0
    except KeyboardInterrupt as error:
        return end("; ".join(["interrupted", *map(str, error.args)]), 130)
    except UsageError as error:
        return end(f"error: {error}", 2)
    except ModuleNotFoundError as error:
        return end(f"error: {error}; {remedy(error.name or '', importer(error) or '')}", 1)
    except (Failure, ValueError, OSError) as error:
        return end(f"error: {error}", 1)


def parse(kind: type[Settings], arguments: Sequence[str]) -> Settings:
    """Return a `kind`, a dataclass, filled from arguments `key=value`.

    Texts and paths are taken as they are, other values are YAML. `a.b=1` sets `b` in the mapping
    `a`. Interpolations are not resolved.

    Raises:
        UsageError: an argument does not fit, or a required one is missing.
    """
    classes = {name: _plain(hint) for name, hint in typing.get_type_hints(kind).items()}
    settings = OmegaConf.structured(kind)
    for argument in arguments:
        key, equals, text = argument.partition("=")
        name = key.partition(".")[0]
        if not equals:
            raise UsageError(f"{argument}: expected key=value (see --help)")
        if name not in classes or (key != name and classes[name] is not dict):
            raise UsageError(f"{key}: no such key{did_you_mean(key, classes)} (see --help)")
        try:
            is_text = classes[name] is str or (classes[name] is Path and text)
            given = {key: text} if is_text else OmegaConf.from_dotlist([argument])
            settings = OmegaConf.merge(settings, given)
        except (OmegaConfBaseException, YAMLError) as error:
            raise UsageError(
                f"{argument}: expected {expected(classes[name])} (see --help)"
            ) from error
    values = typing.cast("dict[str, Any]", OmegaConf.to_container(settings, resolve=False))
    for name in _required(kind):
        if values[name] in ("???", ""):
            raise UsageError(f"{name}=... is missing (see --help)")
    return kind(**values)


def choose(key: str, value: str, known: Iterable[str]) -> None:
    """Check that the value of a key is one of those that are known.

    Raises:
        UsageError: it is not.
    """
    names = list(known)
    if value not in names:
        raise UsageError(
            f"{key}={value}: expected one of {', '.join(names)}{did_you_mean(value, names)}"
        )


def expected(hint: Any) -> str:
    """Return what a value of this type is for a user.

    >>> expected(int | None)
    'a whole number or null'
    """
    is_optional = types.NoneType in typing.get_args(hint)
    return _EXPECTED.get(_plain(hint), "another value") + (" or null" if is_optional else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the name most like `word`, nothing if none is like it.

    >>> did_you_mean("storagee", ["study", "storage"])
    '; did you mean storage?'
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _required(kind: type[Any]) -> list[str]:
    empty = OmegaConf.structured(kind)
    return [field.name for field in fields(kind) if OmegaConf.is_missing(empty, field.name)]


def _plain(hint: Any) -> Any:
    """Return the class of a type hint: `int` of `int | None`, `list` of `list[str]`."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return typing.get_origin(hint) or hint


def end(message: str, code: int) -> int:
    """Print the message that ends a command, and the traceback if asked for; return `code`.

    To be called where an exception is handled.
    """
    if os.environ.get(FULL_ERROR) == "1" and FULL_ERROR not in BORROWED:
        traceback.print_exc()
    print(one_line(message), file=sys.stderr)
    return code
