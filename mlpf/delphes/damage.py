"""What is wrong with a file that can't be converted."""

from __future__ import annotations


class DamagedFile(ValueError):
    """The file is truncated, of another layout, or has impossible values; the message says it."""


def first_line(error: Exception) -> str:
    r"""Return what the message of another library says first.

    >>> first_line(ValueError("\n  not found: 'x'\n\n    Available keys: 'y'"))
    "not found: 'x'"
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
