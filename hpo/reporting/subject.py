"""What the report of a study is about: its trials, read once, and how they are named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from hpo.attributes import DIVERGED, RUN, WORKER, all_stored, stored
from hpo.reporting.ledger import Ledger, read_ledger
from hpo.reporting.summary import (
    VALUE,
    Summary,
    directions_of,
    metrics_of,
    reported_of,
    summarize,
)


@dataclass(frozen=True)
class Subject:
    """A study at one moment.

    Attributes:
        summary: its figures.
        trials: without those beyond the budget, by number.
        metrics: name of each objective; the reported one is drawn.
        directions: "minimize" or "maximize", of each objective.
        ledger: what it has cost.
        workers: records of its workers by name.
        attributes: user attributes of the study.
    """

    summary: Summary
    trials: Sequence[FrozenTrial]
    ledger: Ledger
    metrics: tuple[str, ...] = (VALUE,)
    directions: tuple[str, ...] = ("minimize",)
    workers: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.summary.study_name

    @cached_property
    def reported(self) -> int:
        """The index of the objective that trials report after each step."""
        return reported_of(self.attributes, len(self.metrics))

    @property
    def metric(self) -> str:
        """The name of the reported objective."""
        return self.metrics[self.reported]

    @property
    def sign(self) -> int:
        """-1 if the reported objective is maximized, else 1."""
        return -1 if self.directions[self.reported] == "maximize" else 1

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The best complete trial."""
        number = self.summary.best.number if self.summary.best is not None else None
        return next((trial for trial in self.trials if trial.number == number), None)

    @cached_property
    def begun(self) -> list[FrozenTrial]:
        """Trials with a value or a report, from the worst to the best by their last value."""
        having = [trial for trial in self.trials if self.last_value(trial) is not None]
        return sorted(having, key=self._rank, reverse=True)

    def last_value(self, trial: FrozenTrial) -> float | None:
        """Return the reported objective of a trial at its end or until now; None: no value."""
        if trial.values:  # of a pruned trial of several objectives there are none
            return float(trial.values[self.reported])
        step = trial.last_step
        return None if step is None else float(trial.intermediate_values[step])

    def point_of(self, trial: FrozenTrial) -> tuple[int, float] | None:
        """Return the last step at which a trial had its value, and the value; None: no report.

        The value of a training may be that of its best step, not of its last one.
        """
        value, reports = self.last_value(trial), trial.intermediate_values
        if value is None or not reports:
            return None
        steps = [step for step in reports if reports[step] == value]
        return max(steps or reports), value

    def _rank(self, trial: FrozenTrial) -> float:
        value = self.last_value(trial)
        is_number = value is not None and math.isfinite(value)
        return self.sign * float(value or 0.0) if is_number else math.inf


def read_subject(storage: BaseStorage, study_id: int) -> Subject:
    """Read a study."""
    summary, trials = summarize(storage, study_id)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    attributes = storage.get_study_user_attrs(study_id)
    workers = {
        name.removeprefix(WORKER): record
        for name, record in all_stored(attributes, WORKER).items()
    }
    ledger = read_ledger(storage, study_id)
    names, directions = tuple(metrics_of(study)), tuple(directions_of(study))
    return Subject(summary, trials, ledger, names, directions, workers, attributes)


def told_goal(directions: Sequence[str], metrics: Sequence[str]) -> str:
    """Return what a study is for in words.

    >>> told_goal(["minimize", "maximize"], ["loss", "accuracy"])
    'minimize loss, maximize accuracy'
    """
    each = zip(directions, metrics, strict=True)
    return ", ".join(f"{direction} {metric}" for direction, metric in each)


def worker_of(trial: FrozenTrial) -> str:
    """Return the name of the last worker of a trial, empty if it is not known."""
    run = stored(trial.user_attrs, RUN, {})
    name = run.get("worker")
    return name if isinstance(name, str) else ""


def has_diverged(trial: FrozenTrial) -> bool:
    """Tell whether a value of a trial was not finite."""
    return stored(trial.user_attrs, DIVERGED) is not None
