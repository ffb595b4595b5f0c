"""Optuna pruners that stop a trial whose optimistic forecast is worse than the best trial."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from commons.asha import AshaPruner
from commons.optuna_internals import storage_of, trial_id
from commons.ranking import by_two_opinions
from commons.rungs import sign
from qsvr.checks import check_count, check_number
from qsvr.forecasting.forecaster import Forecast, Forecaster
from qsvr.forecasting.trial_arrays import decision_epochs as default_epochs
from qsvr.steps import complaint

_log = logging.getLogger(__name__)
FORECAST = "qsvr:forecast"
_MAX_FACTOR = 1.75  # by which spreads may be widened; worse forecasts are not used


class SVRPruner(BasePruner):
    """Stops trials that are unlikely to end best, by support vector regression on the study.

    It adds to another pruner: a trial that the other pruner stops is stopped. A trial that it lets
    go on is stopped at a decision epoch if the probability that it ends better than the best
    complete trial is below Phi(-optimism), Phi being the normal distribution, and if it is behind
    that trial at this epoch too, by level and by trend (see `commons.ranking`). The drifts of the
    learning curve still to come are predicted from the curves of all trials, finished, pruned and
    running, and from the hyperparameters (see `forecasting.drift`). Their spreads are widened
    until they cover how the complete trials ended (see `forecasting.calibration`). The other
    pruner decides alone before `n_finished` trials are complete, if the spreads must be more than
    1.75 times wider, and if the regression fails; the latter two are logged once, as are steps
    that do not fit.

    The forecast that stopped a trial is in its system attribute `qsvr:forecast`: {epoch, mean,
    optimistic, best, probability}, the last one of ending best.

    Args:
        max_resource: epochs of a full training, at least 2. Report after each epoch, from 1.
        optimism: k, in standard deviations, at least 0; smaller values stop more trials and find
            the best one less often.
        wrapped: the other pruner; None: `hpo.AshaPruner`, asynchronous successive halving from
            2 % of a training on.
        n_finished: complete trials needed, at least 1.
        decision_epochs: ascending, from 1; None: from 2 % of a training and epoch 3 on, see
            `trial_arrays.decision_epochs`. A stopped trial never resumes, and the first epochs
            carry too little information to stop it by a forecast.
        regressor: of the drifts: a name of `forecasting.regressors` or a scikit-learn regressor.
        refit_growth: it is fitted again when the number of known values has grown by this share.

    Raises:
        ValueError: a value is out of range or of the wrong type.

    Example:
        >>> import optuna
        >>> def objective(trial):
        ...     level = trial.suggest_float("level", 0, 1)
        ...     for epoch in range(1, 21):
        ...         trial.report(level + 1 / epoch, epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return level
        >>> sampler = optuna.samplers.RandomSampler(seed=0)
        >>> study = optuna.create_study(pruner=SVRPruner(max_resource=20), sampler=sampler)
        >>> study.optimize(objective, n_trials=20)
        >>> sum(len(trial.intermediate_values) for trial in study.trials) < 20 * 20 / 2
        True
    """

    def __init__(
        self,
        max_resource: int,
        optimism: float = 2.0,
        wrapped: BasePruner | None = None,
        n_finished: int = 3,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = "svr",
        refit_growth: float = 0.1,
    ) -> None:
        check_count("max_resource", max_resource, 2)
        check_count("n_finished", n_finished)
        check_number("optimism", optimism)
        check_number("refit_growth", refit_growth)
        epochs = default_epochs(max_resource)
        if decision_epochs is None:
            self._due = [epoch for epoch in epochs if epoch >= max(3, 0.02 * max_resource)]
        else:
            self._due = list(default_epochs(max_resource, decision_epochs))
        known = sorted({*epochs, *self._due})
        self._forecaster = Forecaster(
            max_resource, optimism, known, regressor, refit_growth, careful=True
        )
        self._risk = float(ndtr(-optimism))
        self._wrapped = wrapped or AshaPruner(max_resource=max_resource)
        self._max_resource, self._n_finished = max_resource, n_finished
        self._logged = set[str]()

    def forecast(self, study: Study, trial: FrozenTrial) -> Forecast | None:
        """Return the forecast of an unfinished trial; None if there is none yet."""
        if len(_complete(study)) < self._n_finished:
            return None
        try:
            return self._forecaster.forecast(study, [trial])
        except Exception as error:  # noqa: BLE001 - any error of a regressor or annealer
            self._log_once("failure", f"cannot forecast, {self._other} decides alone: {error}")
            return None

    def _check_steps(self, trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> None:
        told = complaint(trial, complete, self._max_resource)
        if told is not None:
            self._log_once("steps", f"cannot decide well: {told}")

    def _is_reliable(self) -> bool:
        """Tell whether forecasts describe how trials end; what they say if not is logged once."""
        told = self._forecaster.calibration
        if told.factor <= _MAX_FACTOR:
            return True
        missed = f"{told.n_missed} of {told.n} forecasts were too pessimistic"
        self._log_once("calibration", f"stops nothing, {self._other} decides alone: {missed}")
        return False

    @property
    def _other(self) -> str:
        return type(self._wrapped).__name__

    def _log_once(self, topic: str, message: str) -> None:
        if topic not in self._logged:
            self._logged.add(topic)
            _log.warning("%s %s", type(self).__name__, message)

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether this pruner or the wrapped one may decide anything between two reports."""
        wrapped = getattr(self._wrapped, "is_due", None)
        is_due = wrapped is None or bool(wrapped(before, step))
        return is_due or any(before < epoch <= step for epoch in self._due)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial should stop after its last report."""
        if self._wrapped.prune(study, trial):
            return True
        *_, before, step = 0, 0, *sorted(trial.intermediate_values)
        if step > self._max_resource:
            self._check_steps(trial, [])
        if not any(before < epoch <= step for epoch in self._due):
            return False
        self._check_steps(trial, _complete(study))
        forecast = self.forecast(study, trial)
        if forecast is None or not self._is_hopeless(forecast, study, trial, step):
            return False
        record = {
            "epoch": step,
            "mean": float(forecast.mean[0]),
            "optimistic": float(forecast.optimistic[0]),
            "best": forecast.best,
            "probability": float(forecast.probability[0]),
        }
        storage_of(study).set_trial_system_attr(trial_id(trial), FORECAST, record)
        return True

    def _is_hopeless(
        self, forecast: Forecast, study: Study, trial: FrozenTrial, step: int
    ) -> bool:
        if not forecast.probability[0] < self._risk or not self._is_reliable():
            return False
        leader = min(_complete(study), key=lambda other: sign(study) * (other.value or 0.0))
        return _is_behind(trial, leader, step, sign(study))


def _is_behind(trial: FrozenTrial, leader: FrozenTrial, step: int, factor: int) -> bool:
    """Tell whether a trial is no better than another at a step, neither by level nor by trend."""
    own = by_two_opinions(trial.intermediate_values, step, factor, 0)
    other = by_two_opinions(leader.intermediate_values, step, factor, 0)
    if own is None or other is None:
        return False
    pairs = zip(own, other, strict=True)
    return all(mine and theirs and mine[0] >= theirs[0] for mine, theirs in pairs)


def _complete(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


class QSVRPruner(SVRPruner):
    """`SVRPruner` whose regression is annealed: `qsvr.QSVR`, simulated or on a quantum annealer.

    A quantum annealer is `regressor=qsvr.QSVR(sampler="qpu")`; while it cannot be reached, the
    wrapped pruner decides. On recorded curves this is as good as `SVRPruner`, not better
    (docs/explanation/qsvr.md).

    Example:
        >>> import optuna
        >>> study = optuna.create_study(pruner=QSVRPruner(max_resource=100))
    """

    def __init__(
        self,
        max_resource: int,
        optimism: float = 2.0,
        wrapped: BasePruner | None = None,
        n_finished: int = 3,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = "qsvr",
        refit_growth: float = 0.2,
    ) -> None:
        super().__init__(
            max_resource, optimism, wrapped, n_finished, decision_epochs, regressor, refit_growth
        )
