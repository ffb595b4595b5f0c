"""The Pareto front of trials: those that no other one beats, and which of them is the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, TrialState

NONE_IS_FEASIBLE = "no complete trial meets all constraints"


def is_feasible(trial: FrozenTrial) -> bool:
    """Tell whether a trial meets all constraints that were set for it."""
    return all(value <= 0 for value in trial.constraints.values())


class Front:
    """Feasible complete trials that no other one beats in all objectives; it grows by trials.

    Args:
        directions: "minimize" or "maximize", of each objective.

    Example:
        >>> from optuna.trial import create_trial
        >>> front = Front(["minimize", "maximize"])
        >>> for number, values in enumerate([[1, 1], [2, 5], [3, 4]]):
        ...     trial = create_trial(values=values)
        ...     trial.number = number
        ...     front.add(trial)
        >>> [trial.number for trial in front.trials]
        [0, 1]
    """

    def __init__(self, directions: Sequence[str]) -> None:
        self._signs = [-1.0 if each == "maximize" else 1.0 for each in directions]
        self._at: dict[tuple[float, ...], list[FrozenTrial]] = {}  # equal trials beat none

    def add(self, trial: FrozenTrial) -> None:
        """Take a trial in if it belongs there; those that it beats go."""
        if trial.state != TrialState.COMPLETE or not trial.values or not is_feasible(trial):
            return
        point = tuple(s * v for s, v in zip(self._signs, trial.values, strict=True))
        if any(_beats(other, point) for other in self._at):
            return
        for other in [other for other in self._at if _beats(point, other)]:
            del self._at[other]
        self._at.setdefault(point, []).append(trial)

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials of the front, the best in the first objective first."""
        return [trial for point in sorted(self._at) for trial in self._at[point]]

    def best(self, weights: Sequence[float] | None = None) -> FrozenTrial | None:
        """Return the trial with the least weighted sum; None: there is no trial.

        In the sum each objective is scaled to its range on the front: 0 is the best value that a
        trial of the front has, 1 the worst one. So units do not matter, and an objective that is
        the same all over the front does not count. Of equal sums the one wins that is better in
        an earlier objective, then the trial that came first.

        Args:
            weights: of each objective, at least 0; None: only the first one counts.
        """
        if not self._at:
            return None
        chosen = weights or [1.0]
        scales = [_scale(column) for column in zip(*self._at, strict=True)]
        rest = zip(chosen, scales, strict=False)  # of one objective no weight is stored
        used = [(place, weight, *scale) for place, (weight, scale) in enumerate(rest) if weight]

        def score(point: tuple[float, ...]) -> float:
            return sum(weight * (point[at] - low) / span for at, weight, low, span in used)

        return self._at[min(sorted(self._at), key=score)][0]


def front_of(trials: Iterable[FrozenTrial], directions: Sequence[str]) -> Front:
    """Return the front of trials in any state."""
    found = Front(directions)
    for trial in trials:
        found.add(trial)
    return found


def rule_of(metrics: Sequence[str], weights: Sequence[float] | None) -> str:
    """Return what makes a trial the best, in words.

    >>> rule_of(["loss", "ms"], None), rule_of(["loss", "ms"], [1, 0.5])
    ('loss', '1 loss + 0.5 ms, each scaled to 0..1 on the front')
    """
    pairs = [*zip(metrics, weights or [1.0], strict=False)]
    used = [(name, weight) for name, weight in pairs if weight]
    if len(used) == 1:
        return used[0][0]
    told = " + ".join(f"{weight:g} {name}" for name, weight in used)
    return f"{told}, each scaled to 0..1 on the front"


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Return the least finite value and the span of all; infinite ones are not part of it."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    return min(finite), (max(finite) - min(finite)) or 1.0


def _beats(point: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(point, other, strict=True)) and point != other
