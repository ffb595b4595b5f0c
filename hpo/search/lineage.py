"""Lineages: a trial of population based training begins with the checkpoint of another trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from hpo.attributes import PARENT, stored


@dataclass(frozen=True)
class Origin:
    """How a trial begins that takes the place of another one.

    Attributes:
        parent: number of the trial whose checkpoint it begins with.
        step: the last step that the parent has reported.
        params: its hyperparameters.
    """

    parent: int
    step: int
    params: dict[str, Any]

    @property
    def record(self) -> dict[str, int]:
        """What is stored with the trial."""
        return {"trial": self.parent, "step": self.step}


@dataclass(frozen=True)
class Stage:
    """The part of a lineage that one trial has trained: its steps from `first` to `last`."""

    trial: FrozenTrial
    first: int
    last: int


def parent_of(trial: FrozenTrial) -> tuple[int, int] | None:
    """Return number and last step of the trial that this one began with; None: with nothing."""
    record = stored(trial.system_attrs, PARENT)
    return None if record is None else (record["trial"], record["step"])


def lineage(trial: FrozenTrial, trials: Mapping[int, FrozenTrial]) -> list[Stage]:
    """Return the stages of a trial, the oldest first; those without a step are left out.

    A child's own reports say which checkpoint it has found: that may be one step older than the
    last report of its parent.

    Args:
        trial: the last one of the lineage.
        trials: those of its study by number.
    """
    stages, seen = list[Stage](), set[int]()
    origin, following = parent_of(trial), trial
    last = max(trial.intermediate_values, default=origin[1] if origin else 0)
    while following.number not in seen:
        seen.add(following.number)
        first = min([*following.intermediate_values, last + 1])
        stages.append(Stage(following, first, last))
        origin = parent_of(following)
        if origin is None or origin[0] not in trials:
            break
        following, last = trials[origin[0]], first - 1
    return [stage for stage in reversed(stages) if stage.first <= stage.last]


def curve(trial: FrozenTrial, trials: Mapping[int, FrozenTrial]) -> dict[int, float]:
    """Return the value by step along the lineage of a trial, without NaN."""
    return {
        step: value
        for stage in lineage(trial, trials)
        for step, value in sorted(stage.trial.intermediate_values.items())
        if step <= stage.last and not math.isnan(value)
    }
