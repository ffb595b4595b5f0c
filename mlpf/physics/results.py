"""What a figure yields: rows (one number with its error) and curves (one number per bin)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

TRUTH: Final = "truth"
RULES: Final = "rules"
MLPF: Final = "mlpf"
DIFFERENCE: Final = "mlpf-rules"
_DIGITS: Final = 8  # significant ones; the rest is rounding noise


@dataclass(frozen=True)
class Row:
    """One number; `value` and `error` are None where nothing could be measured."""

    name: str
    selection: str
    column: str  # truth, rules, mlpf, or mlpf-rules for the paired difference
    value: float | None
    error: float | None
    n: int
    unit: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class Curve:
    """One number per bin of a variable (`edges`, one more than values), or per point (`x`).

    A value is None where nothing could be measured.
    """

    name: str
    selection: str
    column: str
    x_label: str
    y_label: str
    unit: str
    values: list[float | None]
    errors: list[Any]  # of each value: a number, or [below, above], or None
    n: list[int]
    kind: str = "points"  # or histogram: the values are counts
    edges: list[float] | None = None
    x: list[float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the curve as JSON can hold it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


Result = Row | Curve


def row(name: str, selection: str, column: str, draws: Values, n: int, unit: str = "") -> Row:
    """Return a row from the value of all events, `draws[0]`, and those of bootstrap draws."""
    return Row(name, selection, column, number(draws[0]), spread(draws), int(n), unit)


def rows(
    name: str,
    selection: str,
    columns: Mapping[str, Values],
    n: int | Mapping[str, int],
    unit: str = "",
) -> Iterator[Row]:
    """Yield a row per column, and the difference mlpf - rules where there are both.

    The draws of the columns use the same events, so the error of the difference is the paired one.
    """
    for column, draws in columns.items():
        yield row(name, selection, column, draws, n if isinstance(n, int) else n[column], unit)
    if RULES in columns and MLPF in columns:
        n_both = n if isinstance(n, int) else n[MLPF]
        yield row(name, selection, DIFFERENCE, columns[MLPF] - columns[RULES], n_both, unit)


def ratio_row(name: str, selection: str, columns: Mapping[str, Values], n: int) -> Iterator[Row]:
    """Yield the row mlpf / rules, with its paired error, where there are both."""
    if RULES in columns and MLPF in columns:
        yield row(name, selection, MLPF, divide(columns[MLPF], columns[RULES]), n)


def number(value: float) -> float | None:
    """Return a number for JSON, rounded to 8 significant digits; None if it is not finite."""
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def numbers(values: Sequence[float] | Values) -> list[float | None]:
    """Return `number` of each value."""
    return [number(value) for value in values]


def spread(draws: Values) -> float | None:
    """Return the bootstrap error: the standard deviation of `draws[1:]`, None without draws."""
    finite = draws[1:][np.isfinite(draws[1:])]
    return number(float(finite.std(ddof=1))) if len(finite) > 1 else None


def divide(numerator: Any, denominator: Any) -> Values:
    """Return the quotients, NaN where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.asarray(numerator, np.float64) / np.asarray(denominator, np.float64)
    return np.where(np.asarray(denominator) == 0, np.nan, quotient)
