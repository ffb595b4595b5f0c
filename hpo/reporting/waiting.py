"""Waiting trials that have begun: a policy has paused them, or they were interrupted."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import PAUSED, stored


def paused_at(trial: FrozenTrial) -> int | None:
    """Return the step at which a waiting trial is paused; None: it is not."""
    at = stored(trial.system_attrs, PAUSED) if trial.state == TrialState.WAITING else None
    return at if isinstance(at, int) else None


def on_hold(trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """Return how many waiting trials have begun: "paused" by the policy, or "interrupted"."""
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    n_paused = sum(paused_at(trial) is not None for trial in waiting)
    n_begun = sum(trial.datetime_start is not None for trial in waiting)
    return {"paused": n_paused, "interrupted": max(0, n_begun - n_paused)}
