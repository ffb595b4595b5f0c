"""The rungs of successive halving and the values of trials at them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpo.search.objectives import reported_direction


@dataclass(frozen=True)
class Rungs:
    """The steps r, r eta, r eta^2 ... at which trials are compared.

    Attributes:
        min_resource: r, steps at the first rung, at least 1.
        reduction_factor: eta, at least 2; the best 1/eta of a rung continues.
    """

    min_resource: int
    reduction_factor: int

    def __post_init__(self) -> None:
        if self.min_resource < 1:
            raise ValueError(f"min_resource must be >= 1, got {self.min_resource}")
        if self.reduction_factor < 2:
            raise ValueError(f"reduction_factor must be >= 2, got {self.reduction_factor}")

    def up_to(self, step: int) -> list[int]:
        """Return the rungs that a trial has reached after `step` steps, in ascending order.

        >>> Rungs(2, 3).up_to(20)
        [2, 6, 18]
        """
        rungs, following = [], self.min_resource
        while following <= step:
            rungs.append(following)
            following *= self.reduction_factor
        return rungs

    def just_reached(self, trial: FrozenTrial) -> list[int]:
        """Return the rungs that the trial has reached with its last report."""
        *_, before, last = 0, 0, *sorted(trial.intermediate_values)
        return self.between(before, last)

    def between(self, before: int, step: int) -> list[int]:
        """Return the rungs that are reached with `step` and were not with the step `before`.

        >>> Rungs(2, 3).between(2, 20)
        [6, 18]
        """
        return [rung for rung in self.up_to(step) if rung > before]


def sign(study: Study) -> int:
    """Return the factor that makes small reported values good: -1 if the study maximizes, or 1."""
    return -1 if reported_direction(study) == StudyDirection.MAXIMIZE else 1


def value_at(trial: FrozenTrial, rung: int) -> float | None:
    """Return the first value that the trial reported at or after a rung; None: none, or NaN."""
    values = trial.intermediate_values
    step = rung if rung in values else min((s for s in values if s > rung), default=None)
    return None if step is None or math.isnan(values[step]) else values[step]
