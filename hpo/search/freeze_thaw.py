"""Freeze-thaw: all trials begin, all pause, and those go on that may still end best.

.. [Swersky2014] Freeze-Thaw Bayesian Optimization, arXiv:1406.3896. The idea of pausing on a
   forecast; the forecaster and its rule are other ones.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.search.pausing import PausingPruner, PromotionPruner, is_paused

_log = logging.getLogger(__name__)


class Forecast(Protocol):
    """What is expected of some trials."""

    @property
    def promise(self) -> Any:
        """One number per trial: positive if the trial is worth its next epochs."""


class Forecaster(Protocol):
    """Forecasts the ends of learning curves, as `qsvr.Forecaster` does.

    Attributes:
        epochs: the decision epochs, ascending; the last one ends a training.
    """

    epochs: Sequence[int]

    def forecast(self, study: Study, trials: Sequence[FrozenTrial]) -> Forecast | None:
        """Return what is to be expected of trials; None: nothing can be said of them."""


class FreezeThawPruner(PausingPruner):
    """Pauses every trial at every decision epoch; the most promising one goes on.

    New trials begin first. When no paused trial has a chance worth its epochs, the study is
    finished. Should a forecast fail, which is logged once, promotion ASHA decides.

    Args:
        forecaster: judges the trials.
        new_share: new trials begin as long as the first decision epochs of all trials make less
            than this share of all epochs, in (0, 1]; 1: all begin before any goes on, the best
            choice if the number of trials is given.
        max_epochs: hard limit of the epochs of all trials together; the last ones are kept for
            the trial that is to be finished. None: no limit.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self, forecaster: Forecaster, new_share: float = 1.0, max_epochs: int | None = None
    ) -> None:
        if not 0 < new_share <= 1:
            raise ValueError(f"new_share must be in (0, 1], got {new_share}")
        if max_epochs is not None and max_epochs < forecaster.epochs[-1]:
            raise ValueError(
                f"max_epochs must be >= {forecaster.epochs[-1]}, one full training, "
                f"got {max_epochs}"
            )
        self._forecaster, self._new_share, self._max_epochs = forecaster, new_share, max_epochs
        self._fallback = PromotionPruner(max_resource=forecaster.epochs[-1])
        self._has_failed = False

    def may_begin(self, study: Study) -> bool:
        """Tell whether the limit leaves room for a new trial."""
        return self._spare(study.get_trials(deepcopy=False)) >= self._forecaster.epochs[0]

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a decision epoch, unless the trial would be chosen at once."""
        steps = sorted(trial.intermediate_values)
        if steps[-1] >= self._forecaster.epochs[-1]:
            return False
        trials = study.get_trials(deepcopy=False)
        if self._spare(trials) <= 0 and trial.number != _furthest(trials):
            return True
        before = steps[-2] if len(steps) > 1 else 0
        if not any(before < epoch <= steps[-1] for epoch in self._forecaster.epochs):
            return False
        return self.choose(study, [*filter(is_paused, trials), trial]) is not trial

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the most promising trial; None: a new one, or nothing is worth its epochs."""
        trials = study.get_trials(deepcopy=False)
        if self._wants_new(trials) and self.may_begin(study):
            return None
        affordable = self._affordable(paused, trials)
        try:
            forecast = self._forecaster.forecast(study, affordable)
        except Exception as error:  # noqa: BLE001 - whatever a regressor or an annealer raises
            self._log_failure(error)
            return self._fallback.choose(study, affordable)
        if forecast is None:
            return None
        best = int(np.argmax(forecast.promise))
        return affordable[best] if forecast.promise[best] > 0 else None

    def _wants_new(self, trials: Sequence[FrozenTrial]) -> bool:
        if not any(_is_new(trial) for trial in trials):
            return False
        first = self._forecaster.epochs[0]
        n_begun = sum(first * (_length(trial) > 0) for trial in trials)
        return self._new_share == 1 or n_begun <= self._new_share * _n_epochs(trials)

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
        """Epochs that the limit leaves, without those that finish the furthest trial."""
        if self._max_epochs is None:
            return math.inf
        in_flight = sum(trial.state == TrialState.RUNNING for trial in trials)
        left = self._max_epochs - _n_epochs(trials) - in_flight
        if any(trial.state == TrialState.COMPLETE for trial in trials):
            return left
        return left - self._forecaster.epochs[-1] + max(map(_length, trials))

    def _log_failure(self, error: Exception) -> None:
        if not self._has_failed:
            _log.warning("freeze-thaw cannot forecast, promotion ASHA decides: %s", error)
        self._has_failed = True


def _length(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values, default=0)


def _n_epochs(trials: Sequence[FrozenTrial]) -> int:
    return sum(map(_length, trials))


def _furthest(trials: Sequence[FrozenTrial]) -> int | None:
    """The number of the trial that will be the first one to finish; None: one has finished."""
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return None
    unfinished = [t for t in trials if not t.state.is_finished()]
    return max(unfinished, key=_length).number if unfinished else None


def _is_new(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.WAITING and not trial.intermediate_values
