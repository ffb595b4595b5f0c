"""How busy the workers of a study were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from hpo.attributes import LOSSES, stored
from hpo.reporting.spending import held

_KNOWN_S = 1.0  # of each worker, before the share of its time says anything


def busy_fraction(
    workers: Sequence[Mapping[str, Any]], trials: Iterable[FrozenTrial]
) -> float | None:
    """Return the share of the workers' time inside the application, as far as it is known.

    A record ends before the trial that its worker has now, or died on: heartbeats tell how long
    that was. None: there are no records, or they are of the first second.
    """
    if not workers:
        return None
    held_s = sum(map(_held_s, trials))
    present_s = sum(worker["end"] - worker["start"] for worker in workers) + held_s
    busy_s = sum(worker["busy_s"] for worker in workers) + held_s
    return float(busy_s / present_s) if present_s >= len(workers) * _KNOWN_S else None


def _held_s(trial: FrozenTrial) -> float:
    lost_s = sum(loss["held_s"] for loss in stored(trial.user_attrs, LOSSES, []))
    return float(held(trial)[1] + lost_s)
