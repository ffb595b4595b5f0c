"""The command line of the scripts in this folder: key=value, `--help`, one line per mistake."""

from __future__ import annotations

import sys
from typing import NoReturn, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

Settings = TypeVar("Settings")


def parse(kind: type[Settings], arguments: list[str], text: str | None) -> Settings:
    """Return a `kind`, a dataclass, filled from `arguments`; print `text` and leave on `--help`.

    Raises:
        SystemExit: help was asked for (0), or an argument does not fit (2).
    """
    if {"-h", "--help"} & set(arguments):
        print(text)
        raise SystemExit(0)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), OmegaConf.from_cli(arguments))
        settings = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        fail(str(error).splitlines()[0])
    if not isinstance(settings, kind):
        raise TypeError(f"expected a {kind.__name__}, got {type(settings).__name__}")
    return settings


def fail(message: str) -> NoReturn:
    """Print one line and leave with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)
