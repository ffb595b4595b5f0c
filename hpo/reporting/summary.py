"""The figures of a sweep, computed from its study alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import (
    DIVERGED,
    FIGURES,
    N_TRIALS,
    SECONDS,
    SKIPPED,
    WORKER,
    all_stored,
    stored,
)
from hpo.reporting.default import Default, compare_default
from hpo.reporting.pareto import front, is_feasible
from hpo.reporting.spending import Cost, workers_of


@dataclass(frozen=True)
class Best:
    """The best complete trial; `figures` are those that it reported beside its best value."""

    number: int
    value: float
    params: dict[str, Any]
    figures: dict[str, float]


@dataclass(frozen=True)
class Epochs:
    """Epochs of all trials, and those that the pruned ones lack to the longest complete one."""

    run: int
    saved: int


@dataclass(frozen=True)
class Summary:
    """A study at one moment.

    Attributes:
        direction: "minimize" or "maximize".
        n_trials: trials by state (complete, pruned, fail, running, waiting) and in total; those of
            the budget that no worker has begun are waiting.
        best: None while no trial is complete.
        worker_hours: "used" by the trials and "saved" by pruning (epochs saved, at the mean time
            of an epoch).
        wall_s: time with at least one worker, over all commands.
        worker_busy_fraction: share of the workers' time spent inside the application; None for a
            study without workers of hpo.
        n_workers: over all commands.
        n_skipped: pruned trials that a screen ended before their first epoch.
        cost: what its workers have used; that of a study without workers of hpo is 0.
        default: the trial of the default configuration beside the best; None: there is none.
        front: of several objectives, the trials that no other one beats.
    """

    study_name: str
    direction: str
    n_trials: dict[str, int]
    best: Best | None
    epochs: Epochs
    worker_hours: dict[str, float]
    wall_s: float
    worker_busy_fraction: float | None
    n_workers: int
    n_skipped: int
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
    workers = [*all_stored(attributes, WORKER).values()]
    direction = storage.get_study_directions(study_id)[0]
    used_s = sum(map(seconds_of, trials))
    epochs = epochs_of(trials)
    saved_s = epochs.saved * used_s / max(epochs.run, 1)
    best = _best(trials, direction)
    counts = {s.name.lower(): sum(t.state == s for t in trials) for s in TrialState}
    to_come = max(0, (budget or 0) - len(trials))  # their tickets are created later
    counts["waiting"] += to_come
    summary = Summary(
        study_name=storage.get_study_name_from_id(study_id),
        direction=direction.name.lower(),
        n_trials={**counts, "total": len(trials) + to_come},
        best=best,
        epochs=epochs,
        worker_hours={"used": used_s / 3600, "saved": saved_s / 3600},
        wall_s=_union_s(intervals(workers, trials)),
        worker_busy_fraction=_busy_fraction(workers),
        n_workers=len(workers),
        n_skipped=sum(stored(trial.user_attrs, SKIPPED) is not None for trial in trials),
        cost=_cost(attributes, trials, epochs.run),
        front=_front(trials, storage.get_study_directions(study_id)),
        default=compare_default(trials, best.number if best else None),
    )
    return summary, trials


def _cost(attributes: Mapping[str, Any], trials: Sequence[FrozenTrial], epochs: int) -> Cost:
    workers = workers_of(attributes, trials)
    return sum((worker.cost for worker in workers.values()), Cost(epochs=epochs))


def n_epochs(trial: FrozenTrial) -> int:
    """Return the epochs that a trial has run: its last step, reported or diverged."""
    diverged = stored(trial.user_attrs, DIVERGED)
    return max(trial.last_step or 0, diverged if isinstance(diverged, int) else 0)


def epochs_of(trials: Sequence[FrozenTrial]) -> Epochs:
    """Return the epochs of trials, and those that pruning has saved."""
    full = max((n_epochs(t) for t in trials if t.state == TrialState.COMPLETE), default=0)
    pruned = [n_epochs(t) for t in trials if t.state == TrialState.PRUNED]
    saved = sum(max(full - epochs, 0) for epochs in pruned)
    return Epochs(run=sum(n_epochs(t) for t in trials), saved=saved)


def _front(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> tuple[int, ...]:
    if len(directions) == 1:
        return ()
    return tuple(t.number for t in front(trials, [each.name.lower() for each in directions]))


def _best(trials: Sequence[FrozenTrial], direction: StudyDirection) -> Best | None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE and is_feasible(t)]
    if not complete:
        return None
    better = max if direction == StudyDirection.MAXIMIZE else min
    best = better(complete, key=lambda trial: float(trial.values[0]))
    figures = stored(best.user_attrs, FIGURES, {})
    return Best(best.number, float(best.values[0]), best.params, figures)


def seconds_of(trial: FrozenTrial) -> float:
    """Return the wall time of a trial inside the application; 0 if it is not known."""
    lasted = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return float(stored(trial.user_attrs, SECONDS, lasted))


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


def _union_s(intervals: Iterable[tuple[float, float]]) -> float:
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _busy_fraction(workers: Sequence[Mapping[str, Any]]) -> float | None:
    present_s = sum(worker["end"] - worker["start"] for worker in workers)
    return sum(worker["busy_s"] for worker in workers) / present_s if present_s > 0 else None
