"""What a search has brought: its best trial beside that of the default configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import DEFAULT, DIVERGED, ENQUEUED, stored


@dataclass(frozen=True)
class Default:
    """The trial of the default configuration, and the best one at the same step.

    Attributes:
        number: of the trial.
        end: "complete", "pruned", "diverged" or "failed".
        step: at which the two are compared; None: by their final values.
        value: of the default; None: it has none that is finite.
        best_value: of the best trial; None: it has none at this step.
        change: (best_value - value) / |value|; None: it cannot be told.
        is_best: the default is the best trial.
    """

    number: int
    end: str
    step: int | None
    value: float | None
    best_value: float | None
    change: float | None
    is_best: bool

    def __str__(self) -> str:
        """Return the comparison as a line."""
        if self.is_best:
            return f"default {self.value:.6g} (trial {self.number}) is the best"
        change = "" if self.change is None else f" ({self.change:+.1%})".replace("%", " %")
        best = "no value" if self.best_value is None else f"{self.best_value:.6g}"
        if self.end == "complete":
            return f"default {self.value:.6g} (trial {self.number}) -> best {best}{change}"
        if self.value is None:
            return f"default (trial {self.number}) {self.end} without a value"
        return (
            f"default (trial {self.number}) {self.end} at epoch {self.step} with "
            f"{self.value:.6g}; there the best had {best}{change}"
        )


def compare_default(trials: Sequence[FrozenTrial], best: int | None) -> Default | None:
    """Return the default beside the best trial; None: it is not among the trials, or goes on.

    A default that was pruned, has diverged or failed is compared at the last step that it
    reported: its last value beside the best trial's final one would flatter the search.
    """
    marked = (t for t in trials if stored(t.user_attrs, ENQUEUED) == DEFAULT)
    trial = next(marked, None)
    if trial is None or not trial.state.is_finished():
        return None
    is_complete = trial.state == TrialState.COMPLETE
    step = None if is_complete else trial.last_step
    value, reached = _value(trial, step, is_complete), None
    if best is not None:
        reached = _value(next(t for t in trials if t.number == best), step, is_complete)
    change = (reached - value) / abs(value) if reached is not None and value else None
    is_best = best == trial.number
    return Default(trial.number, _end(trial), step, value, reached, change, is_best)


def _value(trial: FrozenTrial, step: int | None, is_final: bool) -> float | None:
    if is_final:
        return trial.values[0] if trial.values else None
    return None if step is None else trial.intermediate_values.get(step)


def _end(trial: FrozenTrial) -> str:
    if trial.state == TrialState.FAIL:
        return "failed"
    if stored(trial.user_attrs, DIVERGED) is not None:
        return "diverged"
    return trial.state.name.lower()
