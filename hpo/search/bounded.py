"""Optuna's TPE and Gaussian process for studies of any size, with pruned and paused trials.

What they do with n trials takes n and n^3 steps, at each proposal. In a large study they see the
best trials and the last ones. Optuna's Gaussian process learns from complete trials only, and its
TPE takes a pruned trial for worse than any complete one; neither sees a trial that is paused or
that runs and has reported. Here all trials with a report teach, see `hpo.search.scores`.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler as OptunaGPSampler
from optuna.trial import FrozenTrial, TrialState

from commons.changes import Changes
from commons.optuna_internals import TPE, ShownStudy, search_less, trial_id
from commons.per_study import PerStudy
from commons.rungs import sign
from hpo.search.scores import as_complete, is_known, teaches

_N_BEST = 50


class _Best:
    """The best trials of a study by their last values, in the order in which TPE compares them."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._ranked: list[tuple[tuple[float, float, float], int]] = []

    def numbers(self, study: Study, trials: Sequence[FrozenTrial]) -> list[int]:
        """Look at the trials that have changed; return the numbers of the best ones in order."""
        for trial in self._changes.since(trials):
            if is_known(trial):
                # A trial that goes on ranks before what it was: none is missed that was dropped.
                self._ranked = [each for each in self._ranked if each[1] != trial.number]
                insort(self._ranked, (_rank(trial, sign(study)), trial.number))
                del self._ranked[_N_BEST:]
        return [number for _, number in self._ranked]


def _rank(trial: FrozenTrial, factor: int) -> tuple[float, float, float]:
    if trial.state == TrialState.COMPLETE:
        return 0, factor * (trial.value or 0.0), 0
    step = max(trial.intermediate_values)
    value = factor * trial.intermediate_values[step]
    return 1, -step, math.inf if math.isnan(value) else value


class _Shown:
    """The trials of a study that a sampler sees, for one new trial after the other."""

    def __init__(self) -> None:
        self._best, self._trial_id = _Best(), -1
        self.trials: list[FrozenTrial] = []
        self.is_cut = False

    def look(self, study: Study, trial: FrozenTrial, max_trials: int) -> None:
        """Look at the study, once for each new trial."""
        if trial_id(trial) == self._trial_id:
            return
        self._trial_id = trial_id(trial)
        trials = study.get_trials(deepcopy=False)
        others = [each for each in trials if each.number != trial.number]
        best = self._best.numbers(study, trials)[: max_trials // 2]
        taught = [each.number for each in others if teaches(each)]
        self.is_cut = len(taught) > max_trials
        if self.is_cut:
            taught = _bounded(taught, {*best}, max_trials)
        begun = [t.number for t in others if t.state == TrialState.RUNNING and not is_known(t)]
        kept = {*taught, *begun[-max_trials:]}
        shown = [each for each in others if each.number in kept]
        self.trials = as_complete(shown, sign(study))


class _Bounded(BaseSampler):
    """Lets the sampler beside it see some of the trials, those with a report as complete."""

    def __init__(self, max_trials: int, least: int, options: dict[str, Any]) -> None:
        super().__init__(**options)
        if max_trials < least:
            raise ValueError(f"max_trials must be >= {least}, got {max_trials}")
        self._max_trials, self._shown = max_trials, PerStudy(_Shown)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is proposed together."""
        seen = self._seen(study, trial)
        return super().infer_relative_search_space(seen, trial)  # type: ignore[safe-super]

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a proposal from the trials that the sampler sees."""
        seen = self._seen(study, trial)
        return super().sample_relative(seen, trial, search_space)  # type: ignore[safe-super]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return a value of a parameter that is not proposed together with others."""
        seen = self._seen(study, trial)
        parameter = param_name, param_distribution
        return super().sample_independent(seen, trial, *parameter)  # type: ignore[safe-super]

    def _seen(self, study: Study, trial: FrozenTrial) -> Any:
        if len(study.directions) > 1:
            return study
        shown = self._shown.of(study)
        shown.look(study, trial, self._max_trials)
        return ShownStudy(study, shown.trials)


class TPESampler(_Bounded, TPE):
    """Optuna's `TPESampler` that learns from all trials with a report, in studies of any size.

    Trials that are complete, pruned, paused or running are compared at the last step that both
    have reached. With more than `max_trials` of them it sees the 50 best, the last ones,
    `max_trials` together, and those that run; the 25 best are what it takes as good at any size.
    With several objectives, or if all of up to `max_trials` trials are complete, it is Optuna's.

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
        super().__init__(max_trials, 2 * _N_BEST, options)


class GPSampler(_Bounded, OptunaGPSampler):
    """Optuna's `GPSampler` that learns from all trials with a report, in studies of any size.

    Unless all of these are complete, their values are normal scores: trials that are complete,
    pruned, paused or running are compared at the last step that both have reached. With more than
    `max_trials` of them it sees the best, half of `max_trials` and at most 50, the last ones,
    `max_trials` together, and those that run; and it looks for the best proposal at a quarter of
    the points. With several objectives, or if all of up to `max_trials` trials are complete, it is
    Optuna's.

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
        super().__init__(max_trials, 10, options)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a proposal from the trials that the sampler sees."""
        self._seen(study, trial)
        if self._shown.of(study).is_cut:
            search_less(self)
        return super().sample_relative(study, trial, search_space)


def _bounded(numbers: Sequence[int], best: set[int], n: int) -> list[int]:
    """Return n of `numbers`: the best and the last ones."""
    others = [number for number in numbers if number not in best]
    return [*best, *others[-(n - len(best)) :]]
