"""The Pareto front of trials: those that no other one beats in all objectives."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState


def is_feasible(trial: FrozenTrial) -> bool:
    """Tell whether a trial meets all constraints that were set for it."""
    return all(value <= 0 for value in trial.constraints.values())


def front(trials: Sequence[FrozenTrial], directions: Sequence[str]) -> list[FrozenTrial]:
    """Return the feasible complete trials that no other one beats, best first."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and is_feasible(t)]
    signs = [-1.0 if each == "maximize" else 1.0 for each in directions]
    points = {t.number: [s * v for s, v in zip(signs, t.values, strict=True)] for t in complete}
    best: list[FrozenTrial] = []
    for trial in sorted(complete, key=lambda trial: points[trial.number]):
        own = points[trial.number]
        if not any(_is_beaten(own, points[other.number]) for other in best):
            best.append(trial)
    return best


def _is_beaten(point: list[float], other: list[float]) -> bool:
    return all(b <= a for a, b in zip(point, other, strict=True)) and point != other
