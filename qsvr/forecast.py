"""How the trials of a study will end, and which of them are worth more epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr, ndtri

from qsvr.drift import DriftModel, LogScale
from qsvr.trials import decision_epochs, unit_cube, values_at

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """What is expected of some trials.

    Attributes:
        mean: shape (T,), the expected final value, in the study's own unit.
        optimistic: shape (T,), the value that only a lucky trial reaches.
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
    each epoch of its next step, Phi being the normal distribution: the first epochs are cheap,
    and little hope is enough; the last ones cost most of a training.

    Args:
        max_resource: epochs of a full training, at least 2.
        optimism: k, in standard deviations, at least 0.
        decision_epochs: ascending, from 1; None: see `qsvr.trials.decision_epochs`.
        regressor: scikit-learn regressor of the drifts, see `qsvr.drift.DriftModel`.
        refit_growth: the model is renewed when what is known has grown by this share, at least 0;
            0: each time. Raise it for slow regressors.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self,
        max_resource: int,
        optimism: float = 2.5,
        decision_epochs: Sequence[int] | None = None,
        regressor: Any = None,
        refit_growth: float = 0.0,
    ) -> None:
        if optimism < 0:
            raise ValueError(f"optimism must be >= 0, got {optimism}")
        if refit_growth < 0:
            raise ValueError(f"refit_growth must be >= 0, got {refit_growth}")
        self.epochs = _decision_epochs(max_resource, decision_epochs)
        self._optimism, self._refit_growth = optimism, refit_growth
        self._model, self._uses_hyperparameters = DriftModel(regressor), regressor is not None
        self._earlier: list[FrozenTrial] = []
        self._known = 0.0
        self._scale: LogScale | None = None

    def learn(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in the trials of earlier studies of the same problem."""
        self._earlier += trials

    def forecast(self, study: Study, trials: Sequence[FrozenTrial]) -> Forecast | None:
        """Return what is to be expected of unfinished trials.

        Args:
            study: all of its trials teach: finished, pruned, paused and running ones.
            trials: T of them, each past its first decision epoch.

        Returns:
            None if nothing is known yet of any of `trials`.

        Raises:
            ValueError: the regressor cannot be fitted.
        """
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        everyone = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values]
        place = {trial.number: i for i, trial in enumerate(everyone)}
        everyone = [*everyone, *self._earlier]
        values = values_at(everyone, self.epochs, sign)
        wanted = np.array([place[trial.number] for trial in trials], np.intp)
        if not len(wanted) or np.isnan(values[wanted, 0]).any():
            return None
        hyperparameters = self._hyperparameters(everyone)
        scale = self._renew(values, hyperparameters)
        z = scale(values)
        own = np.arange(len(place))
        finished = np.array([t.state == TrialState.COMPLETE for t in everyone])[own]
        if finished.any():
            return self._judge(
                z, wanted, hyperparameters, float(np.min(z[own[finished], -1])), sign
            )
        racing = np.array([t.state in (TrialState.RUNNING, TrialState.WAITING) for t in everyone])[
            own
        ] & np.isfinite(z[own, 0])
        rivals = own[racing]
        mean, _ = self._predict(z, rivals, hyperparameters)
        return self._judge(z, wanted, hyperparameters, float(mean.min()), sign)

    def _hyperparameters(self, trials: Sequence[FrozenTrial]) -> Floats:
        return unit_cube(trials) if self._uses_hyperparameters else np.zeros((len(trials), 0))

    def _renew(self, values: Floats, hyperparameters: Floats) -> LogScale:
        known = np.isfinite(values).sum()
        stale = known > (1 + self._refit_growth) * self._known
        if self._scale is None or stale or np.nanmin(values) <= self._scale.floor:
            scale = LogScale.of(values[np.isfinite(values[:, 0])])
            self._model.fit(scale(values), hyperparameters)
            self._scale, self._known = scale, known
        return self._scale

    def _predict(
        self, z: Floats, rows: NDArray[np.intp], hyperparameters: Floats
    ) -> tuple[Floats, Floats]:
        return self._model.predict(z[rows], _reached(z[rows]), hyperparameters[rows])

    def _judge(
        self, z: Floats, rows: NDArray[np.intp], hyperparameters: Floats, best: float, sign: int
    ) -> Forecast:
        mean, spread = self._predict(z, rows, hyperparameters)
        cost = np.append(np.diff(self.epochs), 1)[_reached(z[rows])]
        k = -ndtri(np.minimum(cost * ndtr(-self._optimism), 0.5))
        optimistic = mean - k * spread
        assert self._scale is not None
        back = self._scale.inverse
        return Forecast(
            mean=sign * back(mean),
            optimistic=sign * back(optimistic),
            best=sign * float(back(best)),
            probability=np.asarray(ndtr((best - mean) / np.maximum(spread, 1e-12))),
            promise=best - optimistic,
        )


_decision_epochs = decision_epochs  # the argument of the same name hides it


def _reached(z: Floats) -> NDArray[np.intp]:
    """Index of the last decision epoch that each row has reached."""
    return z.shape[1] - 1 - np.argmax(np.isfinite(z[:, ::-1]), axis=1)
