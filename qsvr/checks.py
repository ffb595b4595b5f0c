"""Arguments of the wrong type or range: one line that names the argument."""

from __future__ import annotations

import math
from numbers import Integral, Real


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse what is not an integer of at least `least`.

    Raises:
        ValueError: with the name and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_number(name: str, value: object, least: float = 0.0, above: bool = False) -> None:
    """Refuse what is not a finite number of at least `least`; with `above`, greater than it.

    Raises:
        ValueError: with the name and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {value!r}")
    limit = f"{'greater than' if above else 'at least'} {least:g}"
    if not math.isfinite(value) or value < least or (above and value == least):
        raise ValueError(f"{name} must be {limit} and finite, got {value}")
