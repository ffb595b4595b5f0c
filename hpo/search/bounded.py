"""Optuna's TPE and Gaussian process for studies of any size.

What they do with n trials takes n and n^3 steps, at each proposal. In a large study they see the
best trials and the last ones.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler as OptunaGPSampler
from optuna.trial import FrozenTrial, TrialState

from commons.changes import Changes
from commons.optuna_internals import TPE, ShownStudy, search_less
from commons.per_study import PerStudy
from commons.rungs import sign

_N_BEST = 50


class _Best:
    """The best finished trials of a study, in the order in which TPE compares them."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._ranked: list[tuple[tuple[float, float, float], int]] = []

    def numbers(self, study: Study) -> set[int]:
        """Look at the trials that have changed; return the numbers of the best ones."""
        for trial in self._changes.since(study.get_trials(deepcopy=False)):
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                insort(self._ranked, (_rank(trial, sign(study)), trial.number))
                del self._ranked[_N_BEST:]
        return {number for _, number in self._ranked}


def _rank(trial: FrozenTrial, factor: int) -> tuple[float, float, float]:
    if trial.state == TrialState.COMPLETE:
        return 0, factor * (trial.value or 0.0), 0
    step = trial.last_step
    if step is None:
        return 2, 0, 0
    value = factor * trial.intermediate_values[step]
    return 1, -step, math.inf if math.isnan(value) else value


class TPESampler(TPE):
    """Optuna's `TPESampler`, bounded: in a large study it sees the best and the last trials.

    With up to `max_trials` finished trials, or with several objectives, it is the same. Otherwise
    it sees the 50 best trials, the last ones, `max_trials` together, and those that run. The 25
    best are what it takes as good at any size.

    Args:
        max_trials: at least 100.
        options: those of `optuna.samplers.TPESampler`.

    Raises:
        ValueError: `max_trials` is too small.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(sampler=TPESampler(max_trials=100, seed=1))
        >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=30)
        >>> study.best_value < 0.01
        True
    """

    def __init__(self, *, max_trials: int = 1000, **options: Any) -> None:
        super().__init__(**options)
        self._max_trials = _at_least(2 * _N_BEST, max_trials)
        self._best = PerStudy(_Best)

    def shown(self, study: Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that it sees, by number."""
        return _bounded(trials, self._best.of(study).numbers(study), self._max_trials)


class GPSampler(OptunaGPSampler):
    """Optuna's `GPSampler`, bounded: in a large study it sees the best and the last trials.

    With up to `max_trials` complete trials, or with several objectives, it is the same. Otherwise
    it sees the best of them, half of `max_trials` and at most 50, the last ones, `max_trials`
    together, and at most `max_trials` of those that run; and it looks for the best proposal at a
    quarter of the points.

    Args:
        max_trials: at least 10.
        options: those of `optuna.samplers.GPSampler`.

    Raises:
        ValueError: `max_trials` is too small.

    Example:
        >>> GPSampler(max_trials=5)
        Traceback (most recent call last):
        ValueError: max_trials must be >= 10, got 5
    """

    def __init__(self, *, max_trials: int = 50, **options: Any) -> None:
        super().__init__(**options)
        self._max_trials = _at_least(10, max_trials)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a proposal from the trials that it sees."""
        trials = study.get_trials(deepcopy=False)
        n_complete = sum(each.state == TrialState.COMPLETE for each in trials)
        if len(study.directions) > 1 or n_complete <= self._max_trials:
            return super().sample_relative(study, trial, search_space)
        search_less(self)
        shown: Any = ShownStudy(study, self._shown(study, trials))
        return super().sample_relative(shown, trial, search_space)

    def _shown(self, study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        factor, n_best = sign(study), min(_N_BEST, self._max_trials // 2)
        best = sorted(complete, key=lambda trial: factor * (trial.value or 0.0))[:n_best]
        numbers = {trial.number for trial in best}
        return _bounded(complete, numbers, self._max_trials) + running[-self._max_trials :]


def _at_least(least: int, max_trials: int) -> int:
    if max_trials < least:
        raise ValueError(f"max_trials must be >= {least}, got {max_trials}")
    return max_trials


def _bounded(trials: Sequence[FrozenTrial], best: set[int], max_trials: int) -> list[FrozenTrial]:
    """Return the best and the last finished ones of `trials`, and those that run, by number."""
    finished = [trial for trial in trials if trial.state.is_finished()]
    if len(finished) <= max_trials:
        return [*trials]
    others = [trial for trial in finished if trial.number not in best]
    last = others[-(max_trials - len(best)) :]
    kept = best | {trial.number for trial in last}
    return [t for t in trials if not t.state.is_finished() or t.number in kept]
