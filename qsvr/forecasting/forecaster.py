"""How the trials of a study will end, and which of them are worth more epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from scipy.special import ndtr, stdtr, stdtrit

from qsvr.forecasting.calibration import Calibration, calibrate
from qsvr.forecasting.drift import DriftModel, LogScale
from qsvr.forecasting.regressors import make_regressor
from qsvr.forecasting.trial_arrays import decision_epochs as default_epochs
from qsvr.forecasting.trial_arrays import unit_cube, values_at

Floats = NDArray[np.float64]

_FAVORITE = 0.4  # a trial that ends best with this probability is hopeful at any cost


@dataclass(frozen=True)
class Forecast:
    """The forecast of T trials.

    Attributes:
        mean: shape (T,), the expected final value, in the study's own unit.
        optimistic: shape (T,), the value that the trial reaches only with a small probability.
        best: the value to beat: of the best complete trial, else the best mean of all trials.
        probability: shape (T,), of ending better than `best`, in [0, 1].
        promise: shape (T,), by how much the optimistic value is better than `best`, on a
            logarithmic scale; a trial is worth its next epochs if it is positive.
    """

    mean: Floats
    optimistic: Floats
    best: float
    probability: Floats
    promise: Floats


class Forecaster:
    """Forecasts of final values from the beginning of the curves and the hyperparameters.

    A trial counts as hopeful while the probability that it ends best exceeds Phi(-optimism) for
    each epoch of its next step, Phi being the normal distribution, or exceeds 0.4. The first
    epochs are cheap, so that a small probability is enough; the last ones cost most of a training.

    Args:
        max_resource: epochs of a full training, at least 2.
        optimism: k, in standard deviations, at least 0.
        decision_epochs: ascending, from 1; None: see `trial_arrays.decision_epochs`.
        regressor: of the drifts: a name of `regressors` or a scikit-learn regressor. "last"
            (no regressor) uses the curves only; all others use the hyperparameters too.
        refit_growth: a regressor is fitted again when the number of known values has grown by this
            share, at least 0; raise it for slow regressors.
        careful: improvements are never clipped as outliers, and spreads are widened until they
            cover how the complete trials ended, see `calibration`.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import optuna
        >>> study = optuna.create_study()
        >>> for level in (1.0, 2.0):
        ...     trial = study.ask()
        ...     for epoch in range(1, 4):
        ...         trial.report(level + 1 / epoch, epoch)
        >>> forecast = Forecaster(max_resource=20).forecast(study, study.trials)
        >>> bool(forecast.mean[0] < forecast.mean[1])
        True
    """

    def __init__(
        self,
        max_resource: int,
        optimism: float = 2.1,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = "last",
        refit_growth: float = 0.1,
        careful: bool = False,
    ) -> None:
        if optimism < 0:
            raise ValueError(f"optimism must be >= 0, got {optimism}")
        if refit_growth < 0:
            raise ValueError(f"refit_growth must be >= 0, got {refit_growth}")
        self.epochs = default_epochs(max_resource, decision_epochs)
        made = make_regressor(regressor)
        self._uses_hyperparameters = made is not None
        self._refit_growth = refit_growth if self._uses_hyperparameters else 0.0
        self._optimism, self._careful = optimism, careful
        self._model = DriftModel(made, keep_improvements=careful)
        self._learned: tuple[Floats, Floats] | None = None  # z and hyperparameters
        self._calibration: Calibration | None = Calibration(0, 0, 1.0)  # None: not yet asked for
        self._n_known = 0
        self._scale: LogScale | None = None

    @property
    def calibration(self) -> Calibration:
        """How forecasts of complete trials compare with their ends, as of the last forecast."""
        if self._calibration is None:
            assert self._learned is not None
            self._calibration = calibrate(self._model, *self._learned)
        return self._calibration

    @property
    def record(self) -> str:
        """How well forecasts have covered what happened, in words."""
        known = self.calibration
        widened = f", so spreads are {known.factor:.3g} times as wide" if self._careful else ""
        return (
            f"{known.n_missed} of {known.n} forecasts of trials that are complete now were too "
            f"pessimistic, where a tenth should be{widened}"
        )

    def forecast(self, study: Study, trials: Sequence[FrozenTrial]) -> Forecast | None:
        """Return the forecast of unfinished trials.

        Args:
            study: the model learns from all of its trials, in any state.
            trials: T of them, each past its first decision epoch.

        Returns:
            None if one of `trials` has not reached its first decision epoch.

        Raises:
            ValueError: the regressor cannot be fitted.
        """
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        everyone = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values]
        place = {trial.number: i for i, trial in enumerate(everyone)}
        values = values_at(everyone, self.epochs, sign)
        wanted = np.array([place[trial.number] for trial in trials], np.intp)
        if not len(wanted) or np.isnan(values[wanted, 0]).any():
            return None
        hyperparameters = self._hyperparameters(everyone)
        z = self._renew(values, hyperparameters)(values)
        best = self._to_beat(z, everyone, hyperparameters)
        return self._judge(z[wanted], hyperparameters[wanted], best, sign)

    def _to_beat(self, z: Floats, trials: Sequence[FrozenTrial], hyperparameters: Floats) -> float:
        """The z of the best complete trial, else the best mean of those that are not finished."""
        ends = z[np.isfinite(z[:, -1]), -1]
        if len(ends):
            return float(ends.min())
        states = [trial.state for trial in trials]
        racing = ~np.array([state.is_finished() for state in states]) & np.isfinite(z[:, 0])
        mean, *_ = self._model.predict(z[racing], _reached(z[racing]), hyperparameters[racing])
        return float(mean.min())

    def _hyperparameters(self, trials: Sequence[FrozenTrial]) -> Floats:
        return unit_cube(trials) if self._uses_hyperparameters else np.zeros((len(trials), 0))

    def _renew(self, values: Floats, hyperparameters: Floats) -> LogScale:
        n_known = int(np.isfinite(values).sum())
        stale = n_known > (1 + self._refit_growth) * self._n_known
        if self._scale is None or stale or np.nanmin(values) <= self._scale.floor:
            scale = LogScale.of(values[np.isfinite(values[:, 0])], self.epochs)
            self._learned = scale(values), hyperparameters
            self._model.fit(*self._learned)
            self._scale, self._n_known, self._calibration = scale, n_known, None
        return self._scale

    def _judge(self, z: Floats, hyperparameters: Floats, best: float, sign: int) -> Forecast:
        mean, spread, freedom = self._model.predict(z, _reached(z), hyperparameters)
        spread = spread * (self.calibration.factor if self._careful else 1.0)
        cost = np.append(np.diff(self.epochs), 1)[_reached(z)]
        least = np.minimum(cost * ndtr(-self._optimism), _FAVORITE)
        optimistic = mean + stdtrit(freedom, least) * spread
        assert self._scale is not None
        back = self._scale.inverse
        return Forecast(
            mean=sign * back(mean),
            optimistic=sign * back(optimistic),
            best=sign * float(back(best)),
            probability=np.asarray(stdtr(freedom, (best - mean) / np.maximum(spread, 1e-12))),
            promise=best - optimistic,
        )


def _reached(z: Floats) -> NDArray[np.intp]:
    """Index of the last decision epoch that each row has reached."""
    backwards = np.isfinite(z[:, ::-1])
    return np.asarray(z.shape[1] - 1 - np.argmax(backwards, axis=1), np.intp)
