"""What a search has brought: its best trial beside that of the default configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import DEFAULT, DIVERGED, ENQUEUED, stored
from hpo.reporting.pareto import is_feasible


@dataclass(frozen=True)
class Compared:
    """One objective of the default and of the best trial.

    Attributes:
        name: of the objective.
        value: of the default; None: it has none that is finite.
        best_value: of the best trial; None: it has none at the step of the comparison.
        change: (best_value - value) / |value|; None: it cannot be told.
    """

    name: str
    value: float | None
    best_value: float | None
    change: float | None

    @property
    def change_told(self) -> str | None:
        """The change as text; None: it cannot be told."""
        return None if self.change is None else f"{self.change:+.1%}".replace("%", " %")

    def told(self, is_final: bool) -> tuple[str, str]:
        """Return both values as text, final ones with the change."""
        change = f" ({self.change_told})" if is_final and self.change_told is not None else ""
        texts = ("no value" if v is None else value_told(v) for v in (self.value, self.best_value))
        default, best = texts
        return default, best + change


@dataclass(frozen=True)
class Default:
    """The trial of the default configuration, and the best one at the same step.

    Attributes:
        number: of the trial.
        end: "complete", "infeasible" (complete, beyond a constraint), "pruned", "diverged" or
            "failed".
        step: at which the two are compared; None: by their final values.
        values: each objective; at a step only the one that is reported.
        is_best: the default is the best trial.
        several: the study has several objectives, so values are told with their names.
    """

    number: int
    end: str
    step: int | None
    values: tuple[Compared, ...]
    is_best: bool
    several: bool = False

    def __str__(self) -> str:
        """Return the comparison as a line; a change in the midst of a training is not told."""
        first, is_final = self.values[0], self.step is None
        (value, best), trial = first.told(is_final), f"trial {self.number}"
        if self.several:
            value = ", ".join(f"{each.name} {each.told(is_final)[0]}" for each in self.values)
            best = ", ".join(f"{each.name} {each.told(is_final)[1]}" for each in self.values)
        if self.is_best:
            return f"default {value} ({trial}) is the best"
        if self.end == "infeasible" and first.best_value is None:
            return f"default {value} ({trial}) is infeasible, as all others"
        if self.end == "infeasible":
            return f"default {value} ({trial}, infeasible) -> best {best}"
        if self.end == "complete":
            return f"default {value} ({trial}) -> best {best}"
        if first.value is None:
            return f"default ({trial}) {self.end} without a value"
        return (
            f"default ({trial}) {self.end} at epoch {self.step} with {value}; "
            f"the best trial had {best} at that epoch"
        )


def compare_default(
    trials: Sequence[FrozenTrial], best: int | None, metrics: Sequence[str], reported: int = 0
) -> Default | None:
    """Return the default beside the best trial; None: it is not among the trials, or goes on.

    A default that was pruned, has diverged or failed is compared at the last step that it
    reported: its last value beside the best trial's final one would flatter the search.
    `reported` is the index of the objective that trials report.
    """
    marked = (t for t in trials if stored(t.user_attrs, ENQUEUED) == DEFAULT)
    trial = next(marked, None)
    if trial is None or not trial.state.is_finished():
        return None
    other = next((t for t in trials if t.number == best), None)
    if trial.state == TrialState.COMPLETE:
        step = None
        ends = [trial.values, other.values if other is not None else [None] * len(metrics)]
        values = [compared(*each) for each in zip(metrics, *ends, strict=True)]
    else:
        step = trial.last_step
        at = (each.intermediate_values.get(step or 0) if each else None for each in (trial, other))
        values = [compared(metrics[reported], *at)]
    is_best, several = best == trial.number, len(metrics) > 1
    return Default(trial.number, _end(trial), step, tuple(values), is_best, several)


def value_told(value: float) -> str:
    """Return the value of an objective as text, the same in tables, pictures and lines.

    >>> value_told(0.41112607), value_told(2.0)
    ('0.411126', '2')
    """
    return f"{value:.6g}"


def compared(name: str, value: float | None, best: float | None) -> Compared:
    """Return a value of the default beside that of the best trial."""
    change = (best - value) / abs(value) if best is not None and value else None
    return Compared(name, value, best, change)


def _end(trial: FrozenTrial) -> str:
    if trial.state == TrialState.FAIL:
        return "failed"
    if stored(trial.user_attrs, DIVERGED) is not None:
        return "diverged"
    if trial.state == TrialState.COMPLETE and not is_feasible(trial):
        return "infeasible"
    return trial.state.name.lower()
