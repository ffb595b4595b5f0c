"""Steps of reports that do not fit a pruner's `max_resource`: silence would cost trials."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from optuna.trial import FrozenTrial


def complaint(
    trial: FrozenTrial, complete: Iterable[FrozenTrial], max_resource: int
) -> str | None:
    """Return in one line what is wrong with the steps at which trials report; None: nothing.

    Args:
        trial: with one report at least.
        complete: the complete trials of the study.
        max_resource: steps of a full training.
    """
    steps = [*trial.intermediate_values]
    longest = max((max(t.intermediate_values, default=0) for t in complete), default=max_resource)
    if min(steps) < 1:
        return f"trial {trial.number} reports step {min(steps)}: steps must begin at 1"
    if any(later < earlier for earlier, later in pairwise(steps)):
        return f"trial {trial.number} reports steps that decrease: {steps[-2:]}"
    if max(steps) > max_resource:
        beyond = f"step {max(steps)} beyond max_resource={max_resource}"
        return f"trial {trial.number} reports {beyond}: both must have the same unit"
    if 2 * longest < max_resource:
        seen = f"max_resource={max_resource}, but the longest complete trial has {longest} steps"
        return f"{seen}: both must have the same unit"
    return None
