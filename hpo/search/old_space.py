"""Search spaces in the form of hydra-optuna-sweeper 1.1, `{x: {type: float, low: 0, high: 1}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

_KEYS = {
    "int": {"low", "high", "step", "log"},
    "float": {"low", "high", "step", "log"},
    "categorical": {"choices"},
}
_MARKS = {"low", "high", "choices"}


def is_old_entry(value: Any) -> bool:
    """Tell whether a value describes a parameter in the old form."""
    return isinstance(value, Mapping) and "type" in value and bool(_MARKS & value.keys())


def in_grammar(key: str, entry: Mapping[str, Any], render: Callable[[Any], str]) -> str:
    """Return an entry of the old form in Hydra's grammar.

    >>> in_grammar("x", {"type": "int", "low": 1, "high": 9, "step": 2}, str)
    'range(1, 10, 2)'

    Args:
        key: of the entry, for messages.
        entry: has `type` (int, float, categorical) and `low`, `high`, `step`, `log` or `choices`.
        render: writes a value in the grammar.

    Raises:
        ValueError: the entry lacks a key, or has one too many; names it.
    """
    kind = str(getattr(entry["type"], "name", entry["type"]))
    given = {name: value for name, value in entry.items() if value is not None and name != "type"}
    _check(key, kind, given)
    if kind == "categorical":
        return f"choice({', '.join(map(render, given['choices']))})"
    low, high, step, log = given["low"], given["high"], given.get("step"), given.get("log")
    if step is None or log:
        interval = f"interval({low}, {high})"
        interval = f"int({interval})" if kind == "int" else interval
        return f"tag(log, {interval})" if log else interval
    if kind == "int":
        return f"range({low}, {int(high) + 1}, {step})"
    beyond = Decimal(str(high)) + Decimal(str(step)) / 2  # `high` itself is included
    return f"range({float(low)}, {float(beyond)}, {float(step)})"


def _check(key: str, kind: str, given: Mapping[str, Any]) -> None:
    if kind not in _KEYS:
        raise ValueError(f"{key}: type must be int, float or categorical, got {kind}")
    needed = {"choices"} if kind == "categorical" else {"low", "high"}
    for name in sorted(needed - given.keys()):
        raise ValueError(f"{key}: an entry of type {kind} needs {name}")
    for name in sorted(given.keys() - _KEYS[kind]):
        raise ValueError(f"{key}: {name} has no meaning for type {kind}")
    if given.get("log") and given.get("step") not in (None, 1):
        raise ValueError(f"{key}: step and log exclude each other")
    for number in (given[name] for name in ("low", "high", "step") if name in given):
        if not _is_number(number) or (kind == "int" and not float(number).is_integer()):
            rule = "low, high and step must be numbers of its type"
            raise ValueError(f"{key}: {rule} ({kind}), got {number!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
