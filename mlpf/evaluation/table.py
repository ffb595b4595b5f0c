"""The figures of an `evaluation.json` as tables: truth, rules, MLPF and the difference.

Of several networks the name begins the selection, and the lines that compare two of them have a
difference only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commons.terminal import one_line

# By the beginning of a name, in the order of the table; the other names are the first group's.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Classes": (),
    "Momentum": ("momentum", "direction", "element_direction"),
    "Multiplicity": ("multiplicity",),
    "Jets": ("jet",),
    "Missing transverse momentum": ("met", "sum_pt"),
    "Sanity": ("unphysical", "calibration", "reliability"),
    "Speed": ("ms_", "mb_", "speed", "memory"),
}
# What a physicist asks first.
KEY_NAMES: Final = (
    *("tower_accuracy", "met_rms", "sum_pt_ratio", "jet_efficiency", "jet_purity"),
    *("jet_response_iqr", "unphysical_share", "ms_per_event"),
)
HEADINGS: Final = (
    "figure",
    "selection",
    "truth",
    "rules",
    "MLPF",
    "difference",
    "",
    "n",
    "unit",
)
_DIFFERENCES: Final = ("mlpf-rules", "mlpf-mlpf")  # columns, of which a line has one
# What the truth as prediction gives, by the end of a name.
_IDEAL: Final[Mapping[float, tuple[str, ...]]] = {
    1.0: (
        *("accuracy", "efficiency", "purity", "f1", "correlation", "sum_pt_ratio"),
        *("response_median", "efficiency_equal_number", "purity_equal_number"),
    ),
    0.0: (
        *("fake_rate", "fake_rate_at_rules_efficiency", "rms", "quantile68", "resolution", "iqr"),
        *("std", "shift", "momentum_median", "dr_median", "dphi_median"),
        *("calibration_error", "unphysical_share"),
    ),
}
_SIGNIFICANT: Final = 2.0  # standard errors of the paired difference


@dataclass(frozen=True)
class Line:
    """One figure of all columns: (value, error) by column; `verdict` is better, worse or same."""

    name: str
    selection: str
    unit: str
    n: int
    columns: Mapping[str, tuple[float | None, float | None]]

    @property
    def verdict(self) -> str:
        """How MLPF compares with the rules; empty where that cannot be said.

        The nearer to the ideal the better, if the difference exceeds two of its standard errors.
        """
        rules, mlpf = (self.columns.get(column, (None,))[0] for column in ("rules", "mlpf"))
        difference, error = self._difference
        best = self._ideal
        if best is None or rules is None or mlpf is None or difference is None:
            return ""
        if abs(difference) <= _SIGNIFICANT * (error or 0.0):
            return "same"
        return "better" if abs(mlpf - best) < abs(rules - best) else "worse"

    @property
    def _difference(self) -> tuple[float | None, float | None]:
        return next((self.columns[c] for c in _DIFFERENCES if c in self.columns), (None, None))

    @property
    def _ideal(self) -> float | None:
        """What the truth as prediction would give; None: not known."""
        known = (ideal for ideal, ends in _IDEAL.items() if self.name.endswith(ends))
        return next(known, self.columns.get("truth", (None,))[0])

    def cells(self) -> tuple[str, ...]:
        """Return the texts below `HEADINGS`."""
        columns = [self.columns.get(c, (None, None)) for c in ("truth", "rules", "mlpf")]
        values = [measured(*each) for each in (*columns, self._difference)]
        names = (text.replace("_", " ") for text in (self.name, self.selection))
        return *names, *values, _MARKS[self.verdict], str(self.n), self.unit


_MARKS: Final = {"better": "▲ better", "worse": "▼ worse", "same": "= same", "": ""}


def measured(value: float | None, error: float | None) -> str:
    """Return a value to the second digit of its error.

    >>> measured(0.90712, 0.00151), measured(19.23, None), measured(None, 0.1)
    ('0.9071 ± 0.0015', '19.23', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    if not error or not math.isfinite(error):
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def group_of(name: str) -> str:
    """Return the group of a figure or curve.

    >>> group_of("jet_efficiency"), group_of("efficiency")
    ('Jets', 'Classes')
    """
    found = (group for group, beginnings in GROUPS.items() if name.startswith(beginnings))
    return next(found, next(iter(GROUPS)))


def lines(evaluation: Mapping[str, Any]) -> list[Line]:
    """Return the figures in the order in which they are first named."""
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in evaluation["rows"]:
        rows.setdefault((row["name"], row["selection"]), []).append(row)
    return [
        Line(
            one_line(name),
            one_line(selection),
            one_line(some[0]["unit"]),
            max(row["n"] for row in some),
            {row["column"]: (row["value"], row["error"]) for row in some},
        )
        for (name, selection), some in rows.items()
    ]


def grouped(some: Iterable[Line]) -> dict[str, list[Line]]:
    """Return figures by group, in the order of `GROUPS`; no group is empty."""
    groups: dict[str, list[Line]] = {group: [] for group in GROUPS}
    for line in some:
        groups[group_of(line.name)].append(line)
    return {group: members for group, members in groups.items() if members}


def key_lines(evaluation: Mapping[str, Any]) -> list[Line]:
    """Return the first figure of each of `KEY_NAMES`, as far as there are any, of each network."""
    several = len(evaluation["settings"].get("networks", ())) > 1
    first: dict[tuple[str, str], Line] = {}
    for line in lines(evaluation):
        network = line.selection.partition(", ")[0] if several else ""
        first.setdefault((line.name, network), line)
    return [line for key in KEY_NAMES for (name, _), line in first.items() if name == key]


def markdown(evaluation: Mapping[str, Any]) -> str:
    """Return the content of `table.md`."""
    parts = ["# Evaluation", "", EXPLANATION, ""]
    parts += _section("Key figures", key_lines(evaluation))
    for group, members in grouped(lines(evaluation)).items():
        parts += _section(group, members)
    if evaluation["missing"]:
        parts += ["## Missing", "", *(f"- {_cell(text)}" for text in evaluation["missing"]), ""]
    return "\n".join(parts)


EXPLANATION: Final = (
    "Values with their standard errors; the difference is paired, event by event. A figure is "
    "better (worse) if it is nearer to its ideal, the value of the truth, than that of the rules "
    "(farther from it), by more than two standard errors of the difference."
)


def _section(title: str, members: Sequence[Line]) -> list[str]:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(tuple(map(_cell, m.cells())) for m in members)]
    return [f"## {title}", "", *(f"| {' | '.join(row)} |" for row in rows), ""]


def _cell(text: str) -> str:
    """Return a text as it is shown in a table of Markdown: no column, no tag, no line."""
    escaped = re.sub(r"[\\|`*_\[\]]", r"\\\g<0>", one_line(text))
    return re.sub(r"<(?=\S)", "&lt;", escaped)
