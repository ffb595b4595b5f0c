"""Lets a scheduler of Syne Tune, or one with the same methods, train the trials of a pool."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from hpo.curves import Floats
from hpo.simulate.run import Run, Spent

METRIC, EPOCH = "loss", "epoch"


class Suggestion(Protocol):
    """What comes next."""

    spawn_new_trial_id: bool  # a new trial, else the paused one with the number below
    checkpoint_trial_id: int | None
    config: dict[str, Any] | None


class Scheduler(Protocol):
    """The methods of `syne_tune.optimizer.scheduler.TrialScheduler` that are needed."""

    def suggest(self, trial_id: int) -> Suggestion | None:
        """Return what comes next."""

    def on_trial_add(self, trial: Any) -> None:
        """Note a new trial."""

    def on_trial_result(self, trial: Any, result: dict[str, Any]) -> str:
        """Note a result; return CONTINUE, PAUSE or STOP."""

    def on_trial_remove(self, trial: Any) -> None:
        """Note that a trial has paused or stopped."""

    def on_trial_error(self, trial: Any) -> None:
        """Note that a trial has failed."""


def drive(scheduler: Scheduler, make_trial: Callable[[int, Any], Any], losses: Floats) -> Run:
    """Train trials as one worker does; return what that spent and found.

    The sweep ends when the scheduler wants a new trial and all of the pool have begun. A training
    that diverges fails.

    Args:
        scheduler: minimizes METRIC by EPOCH.
        make_trial: of a number and a configuration.
        losses: shape (N, E), of the trials in the order of their numbers.
    """
    pool = _Pool(losses)
    trials: list[Any] = []
    while (next_one := scheduler.suggest(trial_id=len(trials))) is not None:
        number = next_one.checkpoint_trial_id
        if next_one.spawn_new_trial_id or number is None:
            if len(trials) == len(losses):
                break
            number = len(trials)
            trials.append(make_trial(number, next_one.config))
            scheduler.on_trial_add(trial=trials[number])
        _train(scheduler, pool, trials[number], number)
    return pool.run()


class _Pool:
    def __init__(self, losses: Floats) -> None:
        self._losses, self._lengths = losses, [0] * len(losses)
        self._n_resumed = 0
        self._finished: list[tuple[Spent, float]] = []

    def resume(self, number: int) -> None:
        self._n_resumed += self._lengths[number] > 0

    def train(self, number: int) -> tuple[int, float]:
        """Train a trial for an epoch; return that and the loss after it."""
        self._lengths[number] += 1
        epoch = self._lengths[number]
        loss = float(self._losses[number, epoch - 1])
        if epoch == self._losses.shape[1]:
            self._finished.append((self._spent(), loss))
        return epoch, loss

    def run(self) -> Run:
        return Run(self._spent(), tuple(self._finished), tuple(self._lengths))

    def _spent(self) -> Spent:
        return Spent(sum(self._lengths), sum(map(bool, self._lengths)), self._n_resumed)


def _train(scheduler: Scheduler, pool: _Pool, trial: Any, number: int) -> None:
    """Train until the scheduler pauses or stops a trial."""
    pool.resume(number)
    while True:
        epoch, loss = pool.train(number)
        if not math.isfinite(loss):
            scheduler.on_trial_error(trial=trial)
            return
        if scheduler.on_trial_result(trial, {METRIC: loss, EPOCH: epoch}) != "CONTINUE":
            scheduler.on_trial_remove(trial=trial)
            return
