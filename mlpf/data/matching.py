"""Files that a user names on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from mlpf.config import ConfigError


def matching_files(key: str, given: Any) -> list[Path]:
    """Return the files that a name, a pattern, or a list of them stands for, in that order.

    Raises:
        ConfigError: nothing is given, or there is no such file.
    """
    patterns = (
        list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    )
    files: list[Path] = []
    for pattern in map(str, patterns):
        # A name may hold the characters of a pattern.
        found = [pattern] if Path(pattern).is_file() else sorted(glob(pattern))  # noqa: PTH207
        if not found:
            raise ConfigError(f"{key}={pattern}: no such file")
        files += [Path(name) for name in found]
    if not files:
        raise ConfigError(f"{key}: no file is given")
    return list(dict.fromkeys(files))
