"""The figures of a sweep, computed from its study alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import (
    BEST,
    DIVERGED,
    FIGURES,
    N_TRIALS,
    PARENT,
    REPORTED,
    WORKER,
    added_from,
    all_stored,
    own_trials,
    seconds_of,
    stored,
)
from hpo.reporting.busy import busy_fraction
from hpo.reporting.causes import was_forecast
from hpo.reporting.default import Default, compare_default, value_told
from hpo.reporting.pareto import Front, front_of, rule_of
from hpo.reporting.spending import Cost, workers_of
from hpo.reporting.waiting import on_hold

VALUE = "value"  # an objective without a name


@dataclass(frozen=True)
class Best:
    """The best complete trial.

    Attributes:
        number: of the trial.
        value: of the first objective.
        params: its hyperparameters.
        figures: those that it reported beside its best value.
        values: of each objective, by name.
        rule: of several objectives, what makes it the best, in words.
        added_from: the source of a trial that the study began with; None: the study has run it.
    """

    number: int
    value: float
    params: dict[str, Any]
    figures: dict[str, float]
    values: dict[str, float]
    rule: str | None = None
    added_from: str | None = None

    @property
    def origin(self) -> str:
        """Where it is from, as text that follows what it is; empty: the study has run it."""
        return "" if self.added_from is None else f", added from {self.added_from}"

    @property
    def told(self) -> str:
        """Its value, or its values with the names of the objectives."""
        return values_told(self.values)


@dataclass(frozen=True)
class Leader:
    """The best trial among those that are not finished, by their last values.

    Attributes:
        number: of the trial.
        step: of its last report.
        value: that it reported there.
        params: its hyperparameters.
    """

    number: int
    step: int
    value: float
    params: dict[str, Any]


@dataclass(frozen=True)
class Epochs:
    """Epochs that all trials have run, and those that pruning has saved, see `epochs_of`."""

    run: int
    saved: int


@dataclass(frozen=True)
class Summary:
    """A study at one moment.

    Attributes:
        direction: "minimize" or "maximize".
        n_trials: trials by state (complete, pruned, fail, running, waiting) and in total; those of
            the budget that no worker has begun are waiting.
        on_hold: waiting trials that have begun, by what has stopped them: "paused" by the policy,
            "interrupted".
        n_forecast: pruned trials that a forecast of their learning curve has stopped.
        n_added: finished trials that the study began with; they are counted here alone.
        best: of all trials, added ones included; None while no trial is complete.
        leader: while there is no best trial; None: no unfinished trial has reported a number.
        worker_hours: "used" by the trials and "saved" by pruning (epochs saved, at the mean time
            of an epoch).
        wall_s: time with at least one worker, over all commands.
        worker_busy_fraction: share of the workers' time spent inside the application, as far as
            it is known; None for a study without workers of hpo, and in their first second.
        n_workers: over all commands.
        cost: what its workers have used; that of a study without workers of hpo is 0.
        default: the trial of the default configuration beside the best; None: there is none.
        front: of several objectives, the trials that no other one beats.
    """

    study_name: str
    direction: str
    n_trials: dict[str, int]
    on_hold: dict[str, int]
    n_forecast: int
    n_added: int
    best: Best | None
    leader: Leader | None
    epochs: Epochs
    worker_hours: dict[str, float]
    wall_s: float
    worker_busy_fraction: float | None
    n_workers: int
    cost: Cost
    default: Default | None = None
    front: tuple[int, ...] = ()

    @property
    def n_finished(self) -> int:
        """Trials that are complete, pruned or failed."""
        return sum(self.n_trials[state] for state in ("complete", "pruned", "fail"))


def summarize(storage: BaseStorage, study_id: int) -> tuple[Summary, list[FrozenTrial]]:
    """Return the figures of a study, and its trials without those beyond the budget."""
    attributes = storage.get_study_user_attrs(study_id)
    budget = stored(attributes, N_TRIALS)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    if budget is not None:
        trials = [t for t in trials if t.number < budget or t.state.is_finished()]
    own = own_trials(trials)
    workers = [*all_stored(attributes, WORKER).values()]
    study = optuna.load_study(study_name=storage.get_study_name_from_id(study_id), storage=storage)
    metrics, directions = metrics_of(study), directions_of(study)
    used_s = sum(map(seconds_of, own))
    epochs = epochs_of(own)
    saved_s = epochs.saved * used_s / max(epochs.run, 1)
    front = front_of(trials, directions)
    best = _best(front, metrics, stored(attributes, BEST))
    counts = {s.name.lower(): sum(t.state == s for t in own) for s in TrialState}
    to_come = max(0, (budget or 0) - len(trials))  # their tickets are created later
    counts["waiting"] += to_come
    reported = reported_of(attributes, len(metrics))
    summary = Summary(
        study_name=study.study_name,
        direction=directions[0],
        n_trials={**counts, "total": len(own) + to_come},
        on_hold=on_hold(own),
        n_forecast=sum(map(was_forecast, own)),
        n_added=len(trials) - len(own),
        best=best,
        leader=_leader(own, directions[reported]) if best is None else None,
        epochs=epochs,
        worker_hours={"used": used_s / 3600, "saved": saved_s / 3600},
        wall_s=_union_s(intervals(workers, own)),
        worker_busy_fraction=busy_fraction(workers, own),
        n_workers=len(workers),
        cost=_cost(attributes, trials, epochs.run),
        front=tuple(trial.number for trial in front.trials) if len(directions) > 1 else (),
        default=compare_default(
            trials,
            best.number if best else None,
            metrics,
            reported,
        ),
    )
    return summary, trials


def _cost(attributes: Mapping[str, Any], trials: Sequence[FrozenTrial], epochs: int) -> Cost:
    workers = workers_of(attributes, trials)
    return sum((worker.cost for worker in workers.values()), Cost(epochs=epochs))


def n_epochs(trial: FrozenTrial) -> int:
    """Return the epochs that a trial has run itself; one that was resumed counts each once.

    A trial of population based training begins with the checkpoint of another one. Its first step
    tells which: that may be one step older than the last report of the parent.
    """
    origin = stored(trial.system_attrs, PARENT, {"step": 0})
    begun: int = min(
        [origin["step"], *(step - 1 for step in trial.intermediate_values if step > 0)]
    )
    return max(0, _last_step(trial) - begun)


def _last_step(trial: FrozenTrial) -> int:
    """Return the last step of a trial, reported or diverged."""
    diverged = stored(trial.user_attrs, DIVERGED)
    return max(trial.last_step or 0, diverged if isinstance(diverged, int) else 0)


def epochs_of(trials: Sequence[FrozenTrial]) -> Epochs:
    """Return the epochs that trials have run, and those that pruning has saved.

    Saved are the epochs that pruned trials lack to the longest complete one; a trial that ended
    before its first epoch was not needed and saves none. In population based training a child goes
    on in the place of a pruned trial, so the epochs of children are not saved.
    """
    full = max((_last_step(t) for t in trials if t.state == TrialState.COMPLETE), default=0)
    children = [trial for trial in trials if PARENT in trial.system_attrs]
    pruned = [t for t in trials if t.state == TrialState.PRUNED and PARENT not in t.system_attrs]
    lacking = sum(max(full - end, 0) for end in map(_last_step, pruned) if end > 0)
    saved = max(lacking - sum(map(n_epochs, children)), 0)
    return Epochs(run=sum(map(n_epochs, trials)), saved=saved)


def _best(front: Front, metrics: Sequence[str], weights: Sequence[float] | None) -> Best | None:
    best = front.best(weights)
    if best is None:
        return None
    return Best(
        number=best.number,
        value=float(best.values[0]),
        params=best.params,
        figures=stored(best.user_attrs, FIGURES, {}),
        values=dict(zip(metrics, best.values, strict=True)),
        rule=rule_of(metrics, weights) if len(metrics) > 1 else None,
        added_from=added_from(best),
    )


def _leader(trials: Sequence[FrozenTrial], direction: str) -> Leader | None:
    known = [
        Leader(trial.number, step, trial.intermediate_values[step], trial.params)
        for trial in trials
        if not trial.state.is_finished() and (step := trial.last_step) is not None
    ]
    finite = [each for each in known if math.isfinite(each.value)]
    sign = -1 if direction == "maximize" else 1
    return min(finite, key=lambda each: sign * each.value, default=None)


def metrics_of(study: optuna.Study) -> list[str]:
    """Return the name of each objective of a study, also of those without a name."""
    return study.metric_names or numbered(len(study.directions))


def directions_of(study: optuna.Study) -> list[str]:
    """Return the direction of each objective: "minimize" or "maximize"."""
    return [direction.name.lower() for direction in study.directions]


def reported_of(attributes: Mapping[str, Any], n_objectives: int) -> int:
    """Return the index of the objective that the trials of a study report.

    >>> reported_of({REPORTED: 1}, 2), reported_of({REPORTED: 2}, 2), reported_of({}, 2)
    (1, 0, 0)
    """
    index = int(stored(attributes, REPORTED, 0))
    return index if index < n_objectives else 0


def numbered(n_objectives: int) -> list[str]:
    """Return names of objectives that have none.

    >>> numbered(1), numbered(2)
    (['value'], ['value_0', 'value_1'])
    """
    return [VALUE] if n_objectives == 1 else [f"{VALUE}_{n}" for n in range(n_objectives)]


def values_told(values: Mapping[str, float]) -> str:
    """Return the value of an objective, or those of several with their names.

    >>> values_told({"loss": 0.5}), values_told({"loss": 0.5, "ms": 2.0})
    ('0.5', 'loss 0.5, ms 2')
    """
    if len(values) == 1:
        return value_told(next(iter(values.values())))
    return ", ".join(f"{name} {value_told(value)}" for name, value in values.items())


def intervals(
    workers: Sequence[Mapping[str, Any]], trials: Sequence[FrozenTrial]
) -> list[tuple[float, float]]:
    """Return when each worker was there, as its record says; without records each trial."""
    if workers:
        return [(worker["start"], worker["end"]) for worker in workers]
    return [
        (t.datetime_start.timestamp(), t.datetime_complete.timestamp())
        for t in trials
        if t.datetime_start is not None and t.datetime_complete is not None
    ]


def wall_s_of(attributes: Mapping[str, Any]) -> float:
    """Return the seconds with at least one worker, as the records of the workers tell."""
    return _union_s(intervals([*all_stored(attributes, WORKER).values()], []))


def _union_s(intervals: Iterable[tuple[float, float]]) -> float:
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
