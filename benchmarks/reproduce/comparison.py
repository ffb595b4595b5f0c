"""Statistics of two sets of events side by side: multiplicities and quantiles with errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.schema import ElementType, Particle

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

COUNT_BOUND: Final = 0.03
QUANTILE_BOUND: Final = 0.05
QUANTILES: Final = (0.1, 0.5, 0.9, 0.99)
_N_GROUPS = 20  # of the jackknife


@dataclass(frozen=True)
class Row:
    """One quantity of both samples.

    Args:
        pileup: mean number of pile-up interactions.
        name: what was measured.
        ours: value of our simulation.
        reference: value of the reference.
        error: statistical error of their ratio.
        bound: largest allowed distance of the ratio from 1.
    """

    pileup: int
    name: str
    ours: float
    reference: float
    error: float
    bound: float

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self.ours / self.reference

    @property
    def verdict(self) -> str:
        """`ok`, `MISS`, or `few` for a deviation that the statistics cannot judge."""
        if abs(self.ratio - 1) <= self.bound:
            return "ok"
        return "MISS" if self.error < self.bound else "few"

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def _tracks(events: Events) -> Mask:
    tracks: Mask = events.x[:, 0] == ElementType.TRACK
    return tracks


def _towers(events: Events, column: int) -> Mask:
    return ~_tracks(events) & (events.x[:, column] > 0)


def _forward(events: Events) -> Mask:
    forward: Mask = np.abs(events.x[:, 2]) >= 3
    return forward


def _of_class(group: str, particle: Particle) -> Callable[[Events], Mask]:
    return lambda events: getattr(events, group)[:, 0] == particle


COUNTS: Final[dict[str, Callable[[Events], Mask]]] = {
    "elements": lambda e: np.ones(len(e.x), dtype=bool),
    "tracks": _tracks,
    "ECAL towers, abs(eta) < 3": lambda e: _towers(e, 6) & ~_forward(e),
    "HCAL towers, abs(eta) < 3": lambda e: _towers(e, 7) & ~_forward(e),
    "HF towers, em": lambda e: _towers(e, 6) & _forward(e),
    "HF towers, had": lambda e: _towers(e, 7) & _forward(e),
    **{
        f"{group} {particle.name.lower().replace('_', ' ')}": _of_class(group, particle)
        for group in ("ygen", "ycand")
        for particle in Particle
    },
}
VALUES: Final[dict[str, Callable[[Events], tuple[Mask, NDArray[np.float32]]]]] = {
    "track pt": lambda e: (_tracks(e), e.x[:, 1]),
    "ECAL tower ET": lambda e: (_towers(e, 6), e.x[:, 1]),
    "HCAL tower ET": lambda e: (_towers(e, 7), e.x[:, 1]),
    "ygen neutral hadron E": lambda e: (e.ygen[:, 0] == Particle.NEUTRAL_HADRON, e.ygen[:, 6]),
    "ygen photon E": lambda e: (e.ygen[:, 0] == Particle.PHOTON, e.ygen[:, 6]),
    "ycand neutral hadron E": lambda e: (e.ycand[:, 0] == Particle.NEUTRAL_HADRON, e.ycand[:, 6]),
    "track abs(eta outer - eta)": lambda e: (_tracks(e), np.abs(e.x[:, 6] - e.x[:, 2])),
}


def compare(pileup: int, ours: Events, reference: Events, pool_error: float = 0.0) -> list[Row]:
    """Return a row for each entry of `COUNTS` and for each quantile of `VALUES`.

    The errors are those of a jackknife over groups of events. Where our events were made from the
    same collisions as the reference, in the same order and perhaps several times over, both fall
    into the same groups and what they share cancels.

    Args:
        pileup: mean number of pile-up interactions, for the rows.
        ours: a multiple of the number of reference events.
        reference: at least 20 events.
        pool_error: relative error of the multiplicities because pile-up events are drawn from
            pools of finite size; added in quadrature.

    Raises:
        ValueError: there are too few events, or ours are no multiple of the reference.
    """
    if len(reference) < _N_GROUPS or len(ours) % len(reference):
        raise ValueError(f"cannot compare {len(ours)} with {len(reference)} events")
    rows = [_count_row(pileup, name, ours, reference, pool_error) for name in COUNTS]
    return rows + [row for name in VALUES for row in _quantile_rows(pileup, name, ours, reference)]


def _groups(events: Events, period: int) -> NDArray[np.int64]:
    """Jackknife group of each event; events that differ by `period` share one."""
    return np.arange(len(events)) % period % _N_GROUPS


def _count_row(pileup: int, name: str, ours: Events, reference: Events, pool_error: float) -> Row:
    means, left_out = [], []
    for events in (ours, reference):
        running = np.concatenate([[0], np.cumsum(COUNTS[name](events))])
        per_event = np.diff(running[events.offsets]).astype(np.float64)
        group = _groups(events, len(reference))
        means.append(float(per_event.mean()))
        left_out.append([per_event[group != g].mean() for g in range(_N_GROUPS)])
    error = np.hypot(_jackknife_error(*np.asarray(left_out)), pool_error)
    return Row(pileup, name, means[0], means[1], float(error), COUNT_BOUND)


def _quantile_rows(pileup: int, name: str, ours: Events, reference: Events) -> list[Row]:
    values, left_out = [], []
    for events in (ours, reference):
        mask, column = VALUES[name](events)
        chosen = column[mask]
        group = np.repeat(_groups(events, len(reference)), events.sizes)[mask]
        values.append(np.quantile(chosen, QUANTILES))
        kept = (chosen[group != g] for g in range(_N_GROUPS))
        left_out.append([np.quantile(part, QUANTILES) for part in kept])
    errors = _jackknife_error(*np.asarray(left_out))
    return [
        Row(pileup, f"{name}, {q:.0%}", float(a), float(b), float(error), QUANTILE_BOUND)
        for q, a, b, error in zip(QUANTILES, *values, errors, strict=True)
    ]


def _jackknife_error(ours: Floats, reference: Floats) -> Floats:
    """Error of the ratio from both values with each group left out, shape (G, ...)."""
    ratio = ours / reference
    deviations = ratio - ratio.mean(axis=0)
    error: Floats = np.sqrt((_N_GROUPS - 1) / _N_GROUPS * np.sum(deviations**2, axis=0))
    return error


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows (of `Row.as_dict`) as a table: one line per quantity, pile-up side by side."""
    pileups = sorted({row["pileup"] for row in rows})
    found = {(row["name"], row["pileup"]): row for row in rows}
    head = "".join(f" ours | Delphes | ratio, pile-up {pileup} |" for pileup in pileups)
    lines = [f"| quantity | bound |{head}", "|---|---|" + "---|" * (3 * len(pileups))]
    for name, bound in {row["name"]: row["bound"] for row in rows}.items():
        cells = (_cells(found[name, pileup]) for pileup in pileups)
        lines.append(f"| {name} | {bound:.0%} |{''.join(cells)}")
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> str:
    verdict = "" if row["verdict"] == "ok" else f" **{row['verdict']}**"
    ratio = f"{row['ratio']:.3f} ± {row['error']:.3f}{verdict}"
    return f" {row['ours']:.4g} | {row['reference']:.4g} | {ratio} |"
