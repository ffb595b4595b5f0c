"""The rungs at which trials are compared, and how many go on from each."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from commons.optuna_internals import SeveralObjectives

_FIRST = 0.02  # of a full training: its first rung, if nobody chooses one
_GROWTH = 1.5  # from one rung of a slow ladder to the next
_DECAY = 0.85  # of the share that reaches a rung, with its steps
_LAST = 0.8  # of a full training: where the last rung before its end lies at most


class Rungs(ABC):
    """Steps at which trials are compared, ascending, and how many go on."""

    @abstractmethod
    def up_to(self, step: int) -> list[int]:
        """Return the rungs that a trial has reached after `step` steps, in ascending order."""

    @abstractmethod
    def n_best(self, rung: int, n_at: Callable[[int], int]) -> int:
        """Return how many go on from a rung, if `n_at` tells how many have been at each."""

    def just_reached(self, trial: FrozenTrial) -> list[int]:
        """Return the rungs that the trial has reached with its last report."""
        *_, before, last = 0, 0, *sorted(trial.intermediate_values)
        return self.between(before, last)

    def between(self, before: int, step: int) -> list[int]:
        """Return the rungs that are reached with `step` and were not with the step `before`.

        >>> HalvingRungs(2, 3).between(2, 20)
        [6, 18]
        """
        return [rung for rung in self.up_to(step) if rung > before]

    def when(self, longest: int) -> Rungs:
        """Return those of a study whose longest trial has taken so many steps."""
        del longest
        return self


@dataclass(frozen=True)
class HalvingRungs(Rungs):
    """The steps r, r eta, r eta^2 ...; the best 1/eta of those at a rung go on.

    Attributes:
        min_resource: r, steps at the first rung, at least 1.
        reduction_factor: eta, at least 2.
        grows: whether r is 2 % of the longest trial of the study, see `first_rung`.
    """

    min_resource: int
    reduction_factor: int
    grows: bool = False

    def __post_init__(self) -> None:
        if self.min_resource < 1:
            raise ValueError(f"min_resource must be >= 1, got {self.min_resource}")
        if self.reduction_factor < 2:
            raise ValueError(f"reduction_factor must be >= 2, got {self.reduction_factor}")

    def up_to(self, step: int) -> list[int]:
        """Return the rungs that a trial has reached after `step` steps, in ascending order.

        >>> HalvingRungs(2, 3).up_to(20)
        [2, 6, 18]
        """
        rungs, following = [], self.min_resource
        while following <= step:
            rungs.append(following)
            following *= self.reduction_factor
        return rungs

    def n_best(self, rung: int, n_at: Callable[[int], int]) -> int:
        """Return n // eta of the n trials at a rung."""
        return n_at(rung) // self.reduction_factor

    def when(self, longest: int) -> HalvingRungs:
        """Return those of a study whose longest trial has taken so many steps."""
        return replace(self, min_resource=first_rung(longest)) if self.grows else self


@dataclass(frozen=True)
class SlowRungs(Rungs):
    """Rungs 1.5 times as far as the one before, from which few trials end each time.

    Of n trials at the first rung r, `share` n (r / e)^0.85 reach step e. Successive halving, which
    has the exponent 1, leaves too few for the steps where ranks change most.

    Attributes:
        first: r, steps at the first rung, at least 1.
        share: in (0, 1].
        full: steps of a full training, which are no rung; None: unknown.
        grows: whether r is 2 % of the longest trial of the study, see `first_rung`.
    """

    first: int
    share: float
    full: int | None = None
    grows: bool = False

    def up_to(self, step: int) -> list[int]:
        """Return the rungs that a trial has reached after `step` steps, in ascending order.

        >>> SlowRungs(2, 0.5, 20).up_to(20)
        [2, 3, 5, 8, 12]
        """
        rungs, following = [], self.first
        while following <= step and following != self.full:
            rungs.append(following)
            following = self.after(following)
        return rungs

    def after(self, rung: int) -> int:
        """Return the next rung, or the steps of a full training, if that would be close."""
        following = max(rung + 1, math.ceil(_GROWTH * rung))
        if self.full is not None and following >= _LAST * self.full:
            return self.full
        return following

    def wanted(self, rung: int, n: int) -> float:
        """Return how many of n trials at the first rung should go on from a rung."""
        return float(self.share * n * (self.first / self.after(rung)) ** _DECAY)

    def n_best(self, rung: int, n_at: Callable[[int], int]) -> int:
        """Return how many go on from a rung, rounded down."""
        return int(self.wanted(rung, n_at(self.first)))

    def when(self, longest: int) -> SlowRungs:
        """Return those of a study whose longest trial has taken so many steps."""
        return replace(self, first=first_rung(longest)) if self.grows else self


def first_rung(full: int) -> int:
    """Return 2 % of the steps of a full training, at least 2.

    >>> first_rung(30), first_rung(200)
    (2, 4)
    """
    return max(2, math.ceil(_FIRST * full))


def choose_rungs(
    min_resource: int | Literal["auto"],
    reduction_factor: int | None,
    max_resource: int | None,
    share: float,
) -> HalvingRungs | SlowRungs:
    """Return the rungs of asynchronous successive halving.

    Args:
        min_resource: steps at the first rung; "auto": 2 % of a full training, see `first_rung`.
        reduction_factor: eta; None: 3, or with "auto" a slow ladder.
        max_resource: steps of a full training; None: as many as the longest trial so far has.
        share: of a slow ladder.

    Raises:
        ValueError: a value is out of range.
    """
    least = 1 if min_resource == "auto" else min_resource
    if max_resource is not None and max_resource < least:
        raise ValueError(f"max_resource must be >= {least}, got {max_resource}")
    if min_resource != "auto":
        return HalvingRungs(min_resource, 3 if reduction_factor is None else reduction_factor)
    first, grows = first_rung(max_resource or 0), max_resource is None
    if reduction_factor is None:
        return SlowRungs(first, share, max_resource, grows)
    return HalvingRungs(first, reduction_factor, grows)


def sign(study: Study) -> int:
    """Return the factor that makes small reported values good: -1 if the study maximizes, or 1."""
    reported = study.reported if isinstance(study, SeveralObjectives) else 0
    return -1 if study.directions[reported] == StudyDirection.MAXIMIZE else 1
