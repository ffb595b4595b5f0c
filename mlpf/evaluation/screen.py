"""The lines that an evaluation ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlpf.evaluation.table import measured
from mlpf.physics.results import DIFFERENCE, MLPF, RULES

_HADRON: Final = "neutral_hadron"
_JETS: Final = "eta<2.5"
_HEADINGS: Final = {RULES: "rules", MLPF: "MLPF", DIFFERENCE: "MLPF - rules"}
# What people ask first: text, and the figures that share its line (name, selection).
_LINES: Final = (
    ("tower accuracy", (("tower_accuracy", "towers"),)),
    ("n. hadrons found, fake", (("efficiency", _HADRON), ("fake_rate", _HADRON))),
    ("MET, RMS of px, py (GeV)", (("met_rms", "all"),)),
    ("sum of pt / truth", (("sum_pt_ratio", "all"),)),
    ("jets found, pure", (("jet_efficiency", _JETS), ("jet_purity", _JETS))),
    ("jet response, IQR/median", (("jet_response_iqr", _JETS),)),
    ("unphysical candidates", (("unphysical_share", "all"),)),
    ("ms per event", (("ms_per_event", ""),)),
)


def key_lines(content: Mapping[str, Any], name: str = "") -> list[str]:
    """Return a heading and eight lines: rules, MLPF, their difference and its error.

    Args:
        content: of an `evaluation.json`.
        name: of the network if there are several.
    """
    begin = f"{name}, " if name else ""
    batch = f"batch {content['settings']['batch_size']}"
    found = {(row["name"], row["selection"], row["column"]): row for row in content["rows"]}
    lines = [_line(name, [*_HEADINGS.values()])]
    for text, figures in _LINES:
        chosen = [(figure, f"{begin}{selection or batch}") for figure, selection in figures]
        columns = [[_cell(found.get((*each, c))) for each in chosen] for c in _HEADINGS]
        lines.append(_line(text, [", ".join(filter(None, cells)) or "-" for cells in columns]))
    return lines


def _line(text: str, cells: list[str]) -> str:
    rules, mlpf, difference = cells
    return f"{text:25}{rules:>13}{mlpf:>14}   {difference}"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return ""
    is_difference = row["column"] == DIFFERENCE
    return measured(row["value"], row["error"]) if is_difference else f"{row['value']:.3g}"
