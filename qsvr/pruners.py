"""Optuna pruners that stop a trial whose optimistic forecast is worse than the best trial."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from commons.asha import AshaPruner
from commons.optuna_internals import storage_of, trial_id
from qsvr.forecasting.forecaster import Forecast, Forecaster
from qsvr.forecasting.trial_arrays import decision_epochs as default_epochs

_log = logging.getLogger(__name__)
FORECAST = "qsvr:forecast"


class SVRPruner(BasePruner):
    """Stops trials that are unlikely to end best, by support vector regression on the study.

    It adds to another pruner: a trial that the other pruner stops is stopped. A trial that it lets
    go on is stopped at a decision epoch if even its optimistic final value is not better than the
    best complete trial. The drifts of the learning curve still to come are predicted from the
    curves of all trials, finished, pruned and running, and from the hyperparameters (see
    `forecasting.drift`). The other pruner decides alone before `n_finished` trials are complete,
    and if the regression fails, which is logged once.

    The forecast that stopped a trial is in its system attribute `qsvr:forecast`: {epoch, mean,
    optimistic, best, probability}, the last one of ending best.

    Args:
        max_resource: epochs of a full training, at least 2. Report after each epoch, from 1.
        optimism: k, in standard deviations, at least 0; smaller values stop more trials and find
            the best one less often.
        wrapped: the other pruner; None: `hpo.AshaPruner`, asynchronous successive halving from
            2 % of a training on.
        n_finished: complete trials needed, at least 1.
        decision_epochs: ascending, from 1; None: from 5 % of a training on, see
            `trial_arrays.decision_epochs`. A stopped trial never resumes, and the first epochs
            carry too little information to stop it by a forecast.
        regressor: of the drifts: a name of `forecasting.regressors` or a scikit-learn regressor.
        refit_growth: it is fitted again when the number of known values has grown by this share.

    Raises:
        ValueError: a value is out of range.

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
        optimism: float = 2.75,
        wrapped: BasePruner | None = None,
        n_finished: int = 1,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = "svr",
        refit_growth: float = 0.1,
    ) -> None:
        if n_finished < 1:
            raise ValueError(f"n_finished must be >= 1, got {n_finished}")
        epochs = default_epochs(max_resource)
        if decision_epochs is None:
            self._due = [epoch for epoch in epochs if epoch >= max(3, 0.05 * max_resource)]
        else:
            self._due = list(default_epochs(max_resource, decision_epochs))
        known = sorted({*epochs, *self._due})
        self._forecaster = Forecaster(max_resource, optimism, known, regressor, refit_growth)
        self._wrapped = wrapped or AshaPruner(max_resource=max_resource)
        self._n_finished, self._has_failed = n_finished, False

    def forecast(self, study: Study, trial: FrozenTrial) -> Forecast | None:
        """Return the forecast of an unfinished trial; None if there is none yet."""
        n_finished = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        if n_finished < self._n_finished:
            return None
        try:
            return self._forecaster.forecast(study, [trial])
        except Exception as error:  # noqa: BLE001 - any error of a regressor or annealer
            if not self._has_failed:
                name, pruner = type(self).__name__, type(self._wrapped).__name__
                _log.warning("%s cannot forecast, %s decides alone: %s", name, pruner, error)
            self._has_failed = True
            return None

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether this pruner or the wrapped one may decide anything between two reports."""
        wrapped = getattr(self._wrapped, "is_due", None)
        is_due = wrapped is None or bool(wrapped(before, step))
        return is_due or any(before < epoch <= step for epoch in self._due)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial should stop after its last report."""
        if self._wrapped.prune(study, trial):
            return True
        steps = sorted(trial.intermediate_values)
        before = steps[-2] if len(steps) > 1 else 0
        if not any(before < epoch <= steps[-1] for epoch in self._due if steps):
            return False
        forecast = self.forecast(study, trial)
        if forecast is None or forecast.promise[0] > 0:
            return False
        record = {
            "epoch": steps[-1],
            "mean": float(forecast.mean[0]),
            "optimistic": float(forecast.optimistic[0]),
            "best": forecast.best,
            "probability": float(forecast.probability[0]),
        }
        storage_of(study).set_trial_system_attr(trial_id(trial), FORECAST, record)
        return True


class QSVRPruner(SVRPruner):
    """`SVRPruner` whose regression is annealed: `qsvr.QSVR`, simulated or on a quantum annealer.

    A quantum annealer is `regressor=qsvr.QSVR(sampler="qpu")`; while it cannot be reached, the
    wrapped pruner decides. On recorded curves this is as good as `SVRPruner`, not better
    (docs/qsvr.md).

    Example:
        >>> import optuna
        >>> study = optuna.create_study(pruner=QSVRPruner(max_resource=100))
    """

    def __init__(
        self,
        max_resource: int,
        optimism: float = 2.75,
        wrapped: BasePruner | None = None,
        n_finished: int = 1,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = "qsvr",
        refit_growth: float = 0.2,
    ) -> None:
        super().__init__(
            max_resource, optimism, wrapped, n_finished, decision_epochs, regressor, refit_growth
        )
