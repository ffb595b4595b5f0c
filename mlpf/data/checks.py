"""Values that no detector and no generator gives, looked for once, when events are read.

The limits are wide: they find damage and mistakes of a conversion, not unusual events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.schema import N_CLASSES, ElementType, Particle

MAX_GEV: Final = 1e6
_ELEMENT_ETA: Final = 10.0  # the calorimeter ends at 5
_PARTICLE_ETA: Final = 20.0  # 8 occurs in 100 events with pile-up 200
_UNIT: Final = 1.01
_UNIT_TOLERANCE: Final = 0.01  # of sin^2 + cos^2
_PI: Final = 3.1416
MAX_CODE: Final = 2**31 - 1  # nuclei have codes of ten digits
MAX_CHARGE: Final = 120
_MAX_MM: Final = 1e12  # particles may decay far outside of the detector
_MAX_COLLISIONS: Final = 100_000

Columns = Mapping[str, NDArray[Any]]
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
    "gen_pileup_share": (0, 1),
    "gen_pid": (-MAX_CODE, MAX_CODE),
    "gen_charge": (-MAX_CHARGE, MAX_CHARGE),
    "gen_pt": (0, MAX_GEV),
    "gen_eta": (-_PARTICLE_ETA, _PARTICLE_ETA),
    "gen_phi": (-_PI, _PI),
    "gen_energy": (0, MAX_GEV),
    "gen_x": (-_MAX_MM, _MAX_MM),
    "gen_y": (-_MAX_MM, _MAX_MM),
    "gen_z": (-_MAX_MM, _MAX_MM),
    "gen_vertex": (0, _MAX_COLLISIONS),
    "gen_met_px": (-MAX_GEV, MAX_GEV),
    "gen_met_py": (-MAX_GEV, MAX_GEV),
    "gen_n_pileup": (-1, _MAX_COLLISIONS),
}
_WHOLE: Final = ("type", "charge", "is_gen_muon", "is_gen_electron", "pid")
_TOWER_ENERGIES: Final = ("x_eta_outer_or_e_em", "x_sin_phi_outer_or_e_had")


def find_problem(
    columns: Columns, offsets: NDArray[np.int64], *, first_event: int = 0, row: str = "element"
) -> str:
    """Return what is wrong with a value, and in which event; an empty text if nothing is.

    Args:
        columns: values of all events by column, such as `x_pt`, each of shape (M,); those of `x`,
            `ygen` and `ycand` all together or not at all.
        offsets: shape (B + 1,); event b is rows offsets[b] to offsets[b + 1].
        first_event: number of the first event.
        row: what a row is; empty if every event is one row.

    >>> from mlpf.schema import X_COLUMNS, Y_COLUMNS
    >>> tables = {"x": X_COLUMNS, "ygen": Y_COLUMNS, "ycand": Y_COLUMNS}
    >>> columns = {f"{t}_{name}": np.zeros(3) for t, names in tables.items() for name in names}
    >>> find_problem(columns, np.array([0, 1, 3]))
    'event 0, element 0: x_type is 0, need a whole number from 1 to 2'
    """
    found = _outside(columns) or _off_circle(columns) or _negative_tower(columns)
    if not found:
        return ""
    number, what = found
    event = int(np.searchsorted(offsets, number, side="right")) - 1
    place = f", {row} {number - int(offsets[event])}" if row else ""
    return f"event {first_event + event}{place}: {what}"


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
    for sine, cosine, kind, ignored in (
        ("x_sin_phi", "x_cos_phi", "x_type", None),
        ("x_sin_phi_outer_or_e_had", "x_cos_phi_outer", "x_type", ElementType.TOWER),
        ("ygen_sin_phi", "ygen_cos_phi", "ygen_pid", Particle.NONE),
        ("ycand_sin_phi", "ycand_cos_phi", "ycand_pid", Particle.NONE),
    ):
        if sine not in columns:
            continue
        sin, cos = columns[sine], columns[cosine]
        wrong = np.abs(sin * sin + cos * cos - 1) > _UNIT_TOLERANCE
        if ignored is not None:
            wrong &= columns[kind] != ignored
        if wrong.any():
            row = _first(wrong)
            values = f"{sin[row]:g} and {cos[row]:g}"
            return row, f"{sine} and {cosine} are {values}, not a sine and a cosine"
    return None


def _negative_tower(columns: Columns) -> tuple[int, str] | None:
    for name in _TOWER_ENERGIES:
        if name not in columns or columns[name].min(initial=0) >= 0:
            continue
        wrong = (columns[name] < 0) & (columns["x_type"] == ElementType.TOWER)
        if wrong.any():
            row = _first(wrong)
            return row, f"{name} of a tower is {columns[name][row]:g}, need an energy"
    return None


def _first(wrong: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(wrong)[0])
