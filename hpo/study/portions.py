"""Creating the tickets of a study, a portion at a time, under its lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from commons.locks import FileLock
from commons.optuna_internals import storage_of
from hpo.storage.batching import batched
from hpo.study.lease import was_started

FEW = 0.5  # of a portion: then the next tickets are created
_SPARE = 16  # new tickets for the workers that have no trial yet


def study_lock(folder: Path) -> FileLock:
    """Return the lock for creating tickets, releasing abandoned trials and taking paused ones."""
    folder.mkdir(0o700, parents=True, exist_ok=True)  # workers run what lies in it
    return FileLock(folder / "tickets")


def issue_tickets(
    study: optuna.Study,
    n_trials: int,
    *,
    lock: FileLock,
    is_full: Callable[[], bool] | None = None,
) -> int:
    """Create the next tickets of a budget if few are left, holding the study's lock.

    Args:
        study: where they are created.
        n_trials: the budget.
        lock: of the study, held.
        is_full: see `Tickets`.

    Returns:
        How many.
    """
    trials = study.get_trials(deepcopy=False)
    return issue_more(study, trials, n_trials - len(trials), lock=lock, is_full=is_full)


def issue_more(
    study: optuna.Study,
    trials: Iterable[FrozenTrial],
    n_to_come: int,
    *,
    lock: FileLock,
    is_full: Callable[[], bool] | None,
) -> int:
    """Do as `issue_tickets` with trials that were read under the lock; finished ones may lack."""
    n = n_lacking(trials, n_to_come, is_full)
    if n > 0 and is_full is not None and is_full():
        return 0
    add_trials(study, n, TrialState.WAITING, lock)
    return n


def n_lacking(
    trials: Iterable[FrozenTrial],
    n_to_come: int,
    is_full: Callable[[], bool] | None,
    part: float = FEW,
) -> int:
    """Return how many tickets to create beside those of `trials`.

    0 if more than this part of a portion is left.
    """
    unfinished = [trial for trial in trials if not trial.state.is_finished()]
    running = sum(trial.state == TrialState.RUNNING for trial in unfinished)
    new = sum(trial.state == TrialState.WAITING and not was_started(trial) for trial in unfinished)
    portion = _SPARE + 2 * running if is_full is None else 1
    return max(0, min(portion - new, n_to_come)) if new <= int(part * portion) else 0


def add_trials(study: optuna.Study, n: int, state: TrialState, lock: FileLock) -> None:
    """Add trials in this state, holding the study's lock."""
    # Not `enqueue_trial({})`: its mark "fixed parameters" makes GridSampler choose no point.
    add_all(study, [create_trial(state=state)] * n, lock)


def add_all(study: optuna.Study, trials: Sequence[FrozenTrial], lock: FileLock) -> None:
    """Add trials, holding the study's lock."""
    for trial in trials[:1]:
        study.add_trial(trial)  # alone: within a batch a journal does not know its first trial
    with batched(storage_of(study)):
        for number, trial in enumerate(trials[1:], 1):
            study.add_trial(trial)
            if number % 10 == 0:  # in a slow database some take longer than a lock is valid
                lock.refresh()
