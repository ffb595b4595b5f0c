"""Figures of the simulated sweeps of a method against wall-clock and core-hours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hpo.curves import Floats
from hpo.simulate.timeline import Timeline

_N_POINTS = 101
_HOUR_S = 3600.0
_KINDS = ("trained", "lost", "unfinished", "other")


def make_row(
    timelines: Sequence[Timeline], direction: str, cores_per_worker: float, unit: str = "core"
) -> dict[str, Any]:
    """Return the figures of n sweeps; times are in hours, core-hours those of present workers.

    With the unit "gpu" they are GPU-hours, `gpu_h`, `gpu_hours` and `by_gpu_h`.

    Returns:
        `n`; medians `wall_h` and `core_h` of a sweep and `best_h`, when its best value was found,
        None if more than half find none; means `utilization`, `queued_h` (summed over
        workers), `n_failed`, `n_preempted`, `core_hours` by what they were for; and the curves
        `by_wall_h` and `by_core_h` (101 hours; median and quartiles of the best value so far, None
        while there is none) and `busy` (share of the workers asked for that trained, in each of 50
        equal parts of a sweep).
    """
    core_h = cores_per_worker / _HOUR_S
    seconds = {kind: _mean([t.worker_s[kind] for t in timelines]) for kind in (*_KINDS, "queued")}
    present = [t.worker_s["present"] * core_h for t in timelines]
    return {
        "n": len(timelines),
        "wall_h": float(np.median([t.wall_s for t in timelines])) / _HOUR_S,
        f"{unit}_h": float(np.median(present)),
        "best_h": _number(
            float(np.quantile([_best_h(t) for t in timelines], 0.5, method="nearest"))
        ),
        "utilization": _mean([t.utilization for t in timelines]),
        "queued_h": seconds["queued"] / _HOUR_S,
        "n_failed": _mean([t.n_failed for t in timelines]),
        "n_preempted": _mean([t.n_preempted for t in timelines]),
        f"{unit}_hours": {kind: seconds[kind] * core_h for kind in _KINDS},
        "by_wall_h": _best_so_far(
            [[(wall / _HOUR_S, loss) for wall, _, loss in t.best] for t in timelines],
            max(t.wall_s for t in timelines) / _HOUR_S,
            direction,
        ),
        f"by_{unit}_h": _best_so_far(
            [[(used * core_h, loss) for _, used, loss in t.best] for t in timelines],
            max(present),
            direction,
        ),
        "busy": np.mean([t.busy for t in timelines], axis=0).tolist(),
    }


def _best_h(timeline: Timeline) -> float:
    return timeline.best[-1][0] / _HOUR_S if timeline.best else math.inf


def _best_so_far(
    falls: Sequence[Sequence[tuple[float, float]]], end: float, direction: str
) -> dict[str, list[float | None]]:
    hours = np.linspace(0.0, end, _N_POINTS)
    losses = np.array([_steps(each, hours) for each in falls])
    sign = -1.0 if direction == "maximize" else 1.0
    quartiles = {
        name: [_number(sign * value) for value in np.quantile(losses, q, 0, method="nearest")]
        for name, q in (("best_quartile", 0.25), ("median", 0.5), ("worst_quartile", 0.75))
    }
    return {"hours": hours.tolist(), **quartiles}


def _steps(falls: Sequence[tuple[float, float]], hours: Floats) -> Floats:
    """Return the last loss at each hour, inf before the first."""
    at = np.array([hour for hour, _ in falls])
    losses = np.array([math.inf, *(loss for _, loss in falls)])
    values: Floats = losses[np.searchsorted(at, hours, side="right")]
    return values


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
