"""Values that no detector and no generator gives, looked for once, when events are read.

The limits are wide: they find damage and mistakes of a conversion, not unusual events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.schema import N_CLASSES, ElementType, Particle

MAX_GEV: Final = 1e6
_ELEMENT_ETA: Final = 10.0  # the calorimeter ends at 5
_PARTICLE_ETA: Final = 20.0  # 8 occurs in 100 events with pile-up 200
_UNIT: Final = 1.01
_UNIT_TOLERANCE: Final = 0.01  # of sin^2 + cos^2

Columns = Mapping[str, NDArray[np.float32]]
_Range = tuple[float, float]

_PARTICLE: Final[dict[str, _Range]] = {
    "pid": (0, N_CLASSES - 1),
    "charge": (-1, 1),
    "pt": (0, MAX_GEV),
    "eta": (-_PARTICLE_ETA, _PARTICLE_ETA),
    "sin_phi": (-_UNIT, _UNIT),
    "cos_phi": (-_UNIT, _UNIT),
    "energy": (0, MAX_GEV),
}
_RANGES: Final[dict[str, _Range]] = {
    "x_type": (min(ElementType), max(ElementType)),
    "x_pt": (0, MAX_GEV),
    "x_eta": (-_ELEMENT_ETA, _ELEMENT_ETA),
    "x_sin_phi": (-_UNIT, _UNIT),
    "x_cos_phi": (-_UNIT, _UNIT),
    "x_energy": (0, MAX_GEV),
    "x_eta_outer_or_e_em": (-_ELEMENT_ETA, MAX_GEV),
    "x_sin_phi_outer_or_e_had": (-_UNIT, MAX_GEV),
    "x_cos_phi_outer": (-_UNIT, _UNIT),
    "x_charge": (-1, 1),
    "x_is_gen_muon": (0, 1),
    "x_is_gen_electron": (0, 1),
    **{f"{table}_{k}": v for table in ("ygen", "ycand") for k, v in _PARTICLE.items()},
}
_WHOLE: Final = ("type", "charge", "is_gen_muon", "is_gen_electron", "pid")
_TOWER_ENERGIES: Final = ("x_eta_outer_or_e_em", "x_sin_phi_outer_or_e_had")


def find_problem(columns: Columns, offsets: NDArray[np.int64]) -> str:
    """Return what is wrong with a value, and in which event; an empty text if nothing is.

    Args:
        columns: values of all events by column, such as `x_pt`, each of shape (M,).
        offsets: shape (B + 1,); event b is rows offsets[b] to offsets[b + 1].

    >>> from mlpf.schema import X_COLUMNS, Y_COLUMNS
    >>> tables = {"x": X_COLUMNS, "ygen": Y_COLUMNS, "ycand": Y_COLUMNS}
    >>> columns = {f"{t}_{name}": np.zeros(3) for t, names in tables.items() for name in names}
    >>> find_problem(columns, np.array([0, 1, 3]))
    'event 0, element 0: x_type is 0, need a whole number from 1 to 2'
    """
    found = _outside(columns) or _off_circle(columns) or _negative_tower(columns)
    if not found:
        return ""
    row, what = found
    event = int(np.searchsorted(offsets, row, side="right")) - 1
    return f"event {event}, element {row - int(offsets[event])}: {what}"


def _outside(columns: Columns) -> tuple[int, str] | None:
    for name, values in columns.items():
        low, high = _RANGES[name]
        is_whole = name.partition("_")[2] in _WHOLE
        # Without a temporary array; a NaN fails both comparisons.
        is_inside = len(values) == 0 or (low <= values.min() and values.max() <= high)
        if is_inside and not (is_whole and np.any(values != np.rint(values))):
            continue
        wrong = ~((values >= low) & (values <= high))
        row = _first(wrong | (values != np.rint(values)) if is_whole else wrong)
        kind = "a whole number" if is_whole else "a number"
        return row, f"{name} is {values[row]:g}, need {kind} from {low:g} to {high:g}"
    return None


def _off_circle(columns: Columns) -> tuple[int, str] | None:
    is_track = columns["x_type"] == ElementType.TRACK
    for sine, cosine, counts in (
        ("x_sin_phi", "x_cos_phi", None),
        ("x_sin_phi_outer_or_e_had", "x_cos_phi_outer", is_track),
        ("ygen_sin_phi", "ygen_cos_phi", columns["ygen_pid"] != Particle.NONE),
        ("ycand_sin_phi", "ycand_cos_phi", columns["ycand_pid"] != Particle.NONE),
    ):
        sin, cos = columns[sine], columns[cosine]
        wrong = np.abs(sin * sin + cos * cos - 1) > _UNIT_TOLERANCE
        if counts is not None:
            wrong &= counts
        if wrong.any():
            row = _first(wrong)
            values = f"{sin[row]:g} and {cos[row]:g}"
            return row, f"{sine} and {cosine} are {values}, not a sine and a cosine"
    return None


def _negative_tower(columns: Columns) -> tuple[int, str] | None:
    for name in _TOWER_ENERGIES:
        if columns[name].min(initial=0) >= 0:
            continue
        wrong = (columns[name] < 0) & (columns["x_type"] == ElementType.TOWER)
        if wrong.any():
            row = _first(wrong)
            return row, f"{name} of a tower is {columns[name][row]:g}, need an energy"
    return None


def _first(wrong: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(wrong)[0])
