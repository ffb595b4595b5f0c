"""Freeze-thaw: all trials begin, all pause, and those resume that may still end best.

.. [Swersky2014] Freeze-Thaw Bayesian Optimization, arXiv:1406.3896. The idea of pausing trials by
   a forecast is from there; the forecaster and its rule are not.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import own_trials
from hpo.search.pausing import PausingPruner, is_paused
from hpo.search.promotion import PromotionPruner

_log = logging.getLogger(__name__)
# A study does not end before so many trials have reached these shares of a training, as forecasts
# may be wrong about all of them at once.
_LEAST = {0.12: 6, 0.25: 3, 1.0: 2}


class Forecast(Protocol):
    """What is expected of T trials."""

    @property
    def promise(self) -> NDArray[np.float64]:
        """Shape (T,): positive if the trial is worth its next epochs, the largest one most."""

    @property
    def probability(self) -> NDArray[np.float64]:
        """Shape (T,): of ending best, in [0, 1]."""


class Forecaster(Protocol):
    """Forecasts the ends of learning curves, as `qsvr.Forecaster` does."""

    epochs: Sequence[int]  # the decision epochs, ascending; the last one ends a training

    @property
    def record(self) -> str:
        """How well forecasts have covered what happened, in words."""

    def forecast(self, study: Study, trials: Sequence[FrozenTrial]) -> Forecast | None:
        """Return what is expected of unfinished trials; None: nothing is known about them."""


class FreezeThawPruner(PausingPruner):
    """Pauses every trial at every decision epoch; the most promising one resumes.

    New trials begin first. The study is finished when no paused trial is worth its next epochs,
    and 6 trials have reached 12 % of a training, 3 a quarter and 2 its end. The reason is logged
    then, and how well forecasts have covered what happened. If a forecast fails,
    `PromotionPruner` decides; the first failure is logged.

    Args:
        forecaster: judges the trials.
        new_share: new trials begin while the first decision epochs of all trials are less than
            this share of all epochs, in (0, 1]. 1: all begin before any resumes, the best choice
            for a fixed number of trials.
        max_epochs: limit for the epochs of all trials together, at least one full training; the
            last ones are reserved for the trial that will be complete first. None: no limit.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import tempfile, hpo, optuna, qsvr
        >>> def objective(trial):
        ...     for step in range(1, 21):
        ...         trial.report(trial.number + 1 / step, step)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return trial.number + 1 / 20
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = hpo.optimize(
        ...         objective,
        ...         study_name="s",
        ...         storage=f"{folder}/journal.log",
        ...         folder=folder,
        ...         n_trials=8,
        ...         pruner=FreezeThawPruner(qsvr.Forecaster(max_resource=20)),
        ...     )
        ...     [trial.last_step for trial in study.trials]
        [20, 20, 5, 3, 3, 3, 1, 2]
    """

    def __init__(
        self, forecaster: Forecaster, new_share: float = 1.0, max_epochs: int | None = None
    ) -> None:
        if not 0 < new_share <= 1:
            raise ValueError(f"new_share must be in (0, 1], got {new_share}")
        if max_epochs is not None and max_epochs < forecaster.epochs[-1]:
            least = f"{forecaster.epochs[-1]}, one full training"
            raise ValueError(f"max_epochs must be >= {least}, got {max_epochs}")
        self._forecaster, self._new_share, self._max_epochs = forecaster, new_share, max_epochs
        self._fallback = PromotionPruner(forecaster.epochs[0], max_resource=forecaster.epochs[-1])
        self._has_failed, self._told = False, ""

    def may_begin(self, study: Study) -> bool:
        """Tell whether `max_epochs` leaves room for a new trial."""
        return self._spare(_own(study)) >= self._forecaster.epochs[0]

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether a decision epoch lies between two reports; `max_epochs` counts each one."""
        epochs = self._forecaster.epochs
        return self._max_epochs is not None or any(before < epoch <= step for epoch in epochs)

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a decision epoch, unless the trial would resume at once."""
        steps = sorted(trial.intermediate_values)
        if steps[-1] >= self._forecaster.epochs[-1]:
            return False
        trials = _own(study)
        if self._spare(trials) <= 0 and trial.number != _furthest(trials):
            return True
        before = steps[-2] if len(steps) > 1 else 0
        if not any(before < epoch <= steps[-1] for epoch in self._forecaster.epochs):
            return False
        return self.choose(study, [*filter(is_paused, trials), trial]) is not trial

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the most promising trial; None: begin a new one, or none is worth its epochs."""
        trials = _own(study)
        if self._wants_new(trials) and self.may_begin(study):
            return None
        affordable = self._affordable(paused, trials)
        try:
            forecast = self._forecaster.forecast(study, affordable)
        except Exception as error:  # noqa: BLE001 - of any regressor or annealer
            if not self._has_failed:
                _log.warning("freeze-thaw: the forecast failed, promotion ASHA decides: %s", error)
            self._has_failed = True
            return self._fallback.choose(study, affordable)
        if forecast is None:
            return None
        promise = np.asarray(forecast.promise)
        if not (promise > 0).any():
            lacking = _lacking(trials, affordable, self._forecaster.epochs[-1])
            if not lacking.any():
                self._tell_end(forecast)
                return None
            promise = np.where(lacking, promise, -np.inf)
        return affordable[int(np.argmax(promise))]

    def _tell_end(self, forecast: Forecast) -> None:
        chance = float(np.max(forecast.probability))
        told = f"no paused trial has more than {chance:.2g} chance to end best"
        told = f"{told}; {self._forecaster.record}"
        if told != self._told:
            _log.info("freeze-thaw ends: %s", told)
        self._told = told

    def _wants_new(self, trials: Sequence[FrozenTrial]) -> bool:
        waiting = (trial for trial in trials if trial.state == TrialState.WAITING)
        if all(trial.intermediate_values for trial in waiting):  # no new one
            return False
        first = self._forecaster.epochs[0]
        n_begun = sum(first * (_length(trial) > 0) for trial in trials)
        return self._new_share == 1 or n_begun <= self._new_share * sum(map(_length, trials))

    def _affordable(
        self, paused: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]
    ) -> list[FrozenTrial]:
        if self._max_epochs is None:
            return list(paused)
        spare, furthest = self._spare(trials), _furthest(trials)
        return [t for t in paused if t.number == furthest or self._cost(t) <= spare]

    def _cost(self, trial: FrozenTrial) -> int:
        """Epochs to the trial's next decision."""
        length = _length(trial)
        return next(epoch for epoch in self._forecaster.epochs if epoch > length) - length

    def _spare(self, trials: Sequence[FrozenTrial]) -> float:
        """Epochs that the limit leaves, without those reserved for the furthest trial."""
        if self._max_epochs is None:
            return math.inf
        in_flight = sum(trial.state == TrialState.RUNNING for trial in trials)
        left = self._max_epochs - sum(map(_length, trials)) - in_flight
        if any(trial.state == TrialState.COMPLETE for trial in trials):
            return left
        return left - self._forecaster.epochs[-1] + max(map(_length, trials))


def _lacking(
    trials: Sequence[FrozenTrial], paused: Sequence[FrozenTrial], full: int
) -> NDArray[np.bool_]:
    """Tell of each paused trial whether one of its kind goes on all the same."""
    numbers, lengths = {trial.number for trial in paused}, np.array([*map(_length, paused)], int)
    others = [t for t in trials if t.number not in numbers and t.state != TrialState.FAIL]
    for share, least in _LEAST.items():
        mark, below = math.ceil(share * full), lengths < math.ceil(share * full)
        # Those that run are on their way, and a complete one has ended where it may.
        known = (TrialState.RUNNING, TrialState.COMPLETE)
        n = sum(t.state in known or _length(t) >= mark for t in others)
        if below.any() and n + int((~below).sum()) < least:
            return below
    return np.zeros(len(paused), bool)


def _own(study: Study) -> list[FrozenTrial]:
    """Return the trials of a study without added ones, which cost it nothing."""
    return own_trials(study.get_trials(deepcopy=False))


def _length(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values, default=0)


def _furthest(trials: Sequence[FrozenTrial]) -> int | None:
    """Number of the unfinished trial with the most epochs; None: a trial is complete."""
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return None
    unfinished = [t for t in trials if not t.state.is_finished()]
    return max(unfinished, key=_length).number if unfinished else None
