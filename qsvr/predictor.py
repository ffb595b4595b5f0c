"""Predict the end of a learning curve from its beginning and the hyperparameters.

Three steps, each a scikit-learn estimator that also works alone:

1. `CurveScaler`: features of a partial curve, on the scale that a kernel needs;
2. `RelevanceRegressor`: any regressor, with each hyperparameter weighted by its relevance in the
   training rows, blended with the last known value by what cross-validation says of both;
3. `CurvePredictor`: both, with the final value scaled as well.

Shapes: T trainings, E known epochs, H hyperparameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, skew
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVR
from sklearn.utils.validation import check_is_fitted, validate_data

from qsvr.checks import check_number
from qsvr.features import last_values

Floats = NDArray[np.float64]

N_CURVE_FEATURES = 3  # of qsvr.features.last_values, the last known value first
N_FOLDS = 20  # of the cross-validation: up to 20 training rows, each is left out alone
N_FEW = 20  # training rows to which hp_weight refers; as many as fit a quantum annealer


def quantile_scaler(n_rows: int) -> QuantileTransformer:
    """Return an unfitted map of each column to its quantile in the rows of `fit`, 0 to 1."""
    return QuantileTransformer(n_quantiles=min(50, n_rows), random_state=0)


class CurveScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Summaries of partial curves as quantiles, hyperparameters with mean 0 and deviation 1.

    The curve gives its last value and the minimum and slope of its last third (at least five
    epochs). A hyperparameter is replaced by its logarithm where that makes its distribution more
    symmetric. All of this is learned from the rows given to `fit`.

    Attributes:
        log_: whether each hyperparameter is taken as its logarithm, shape (H,).
    """

    def fit(self, curves: ArrayLike, hyperparameters: ArrayLike) -> CurveScaler:
        """Learn the scales of curves, shape (T, E), smaller is better, and hyperparameters.

        Raises:
            ValueError: the shapes do not fit, or a value is not finite.
        """
        raw = _raw_features(curves, hyperparameters)
        hps = raw[:, N_CURVE_FEATURES:]
        self.n_known_ = np.shape(curves)[1]
        self.quantiles_ = quantile_scaler(len(raw)).fit(raw[:, :N_CURVE_FEATURES])
        self.log_ = np.array([_is_logarithmic(column) for column in hps.T], dtype=bool)
        self.smallest_ = np.where(self.log_, hps.min(axis=0), 1.0)
        scaled = self._log(hps)
        self.mean_, deviation = scaled.mean(axis=0), scaled.std(axis=0)
        self.deviation_ = np.where(deviation > 0, deviation, 1.0)
        return self

    def transform(self, curves: ArrayLike, hyperparameters: ArrayLike) -> Floats:
        """Return the scaled features, shape (T, 3 + H), the quantile of the last value first.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: as `fit`, or another number of epochs or hyperparameters.
        """
        check_is_fitted(self)
        raw = _raw_features(curves, hyperparameters)
        hps = raw[:, N_CURVE_FEATURES:]
        given, fitted = (np.shape(curves)[1], hps.shape[1]), (self.n_known_, len(self.log_))
        if given != fitted:
            raise ValueError(f"fitted to (epochs, hyperparameters) {fitted}, got {given}")
        quantiles = self.quantiles_.transform(raw[:, :N_CURVE_FEATURES])
        scaled = (self._log(hps) - self.mean_) / self.deviation_
        return np.concatenate([quantiles, scaled], axis=1)

    def _log(self, hps: Floats) -> Floats:
        """Logarithms where they apply; what is not above 0 counts as the smallest value seen."""
        positive = np.where(self.log_ & (hps > 0), hps, self.smallest_)
        return np.where(self.log_, np.log(positive), hps)


class RelevanceRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor on features of `CurveScaler` that weighs hyperparameters by their relevance.

    With r the `relevance` of a column in the N training rows, hyperparameter h is multiplied by
    hp_weight sqrt(N / 20) r_h sqrt(1 - r_last^2): by its own relevance and by what the last known
    value leaves open, more with more rows. The prediction is x_last + w (f - x_last): the last
    known value, and a share of what the regressor f changes. The share that would have fitted the
    rows best, each foretold without it, is v = sum_n c_n e_n / sum_n c_n^2, with the change c_n
    and the change e_n that was needed. As N rows tell little of it,

        w = (N v + prior N / (N + prior)) / (N + prior), in [0, 1].

    c_n is that of SVR(C=1, gamma=0.3, epsilon=0.02) for every regressor: annealed ones are slow.

    Args:
        regressor: any scikit-learn regressor whose kernel is about 1 wide in each feature, such
            as `qsvr.QSVR`; cloned. None is SVR(C=1, gamma=0.3, epsilon=0.02).
        hp_weight: at least 0; 0 leaves the hyperparameters out.
        prior: at least 0, in trainings; more keeps closer to the last known value while rows are
            few.

    Attributes:
        regressor_: the fitted regressor.
        share_: w.
        weights_: of each column of X.
    """

    def __init__(
        self, regressor: object | None = None, *, hp_weight: float = 1.0, prior: float = 20.0
    ) -> None:
        self.regressor = regressor
        self.hp_weight = hp_weight
        self.prior = prior

    def fit(self, X: ArrayLike, y: ArrayLike) -> RelevanceRegressor:
        """Weigh the columns of X, shape (N, 3 + H), and fit the regressor to y, shape (N,).

        Both are quantiles: X of `CurveScaler`, y of the final values.

        Raises:
            ValueError: a parameter is negative, N < 2, or a value is not finite.
        """
        for name in ("hp_weight", "prior"):
            check_number(name, getattr(self, name))
        features, target = validate_data(
            self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2
        )
        explained = relevance(features, target)
        left_open = np.sqrt(1 - explained[0] ** 2)
        self.weights_ = self.hp_weight * np.sqrt(len(target) / N_FEW) * left_open * explained
        self.weights_[:N_CURVE_FEATURES] = 1
        weighted, last = features * self.weights_, features[:, 0]
        folds = KFold(min(N_FOLDS, len(target)), shuffle=True, random_state=0)
        foretold = cross_val_predict(_svr(), weighted, target, cv=folds)
        self.share_ = _share(foretold - last, target - last, self.prior)
        self.regressor_ = clone(_svr() if self.regressor is None else self.regressor)
        self.regressor_.fit(weighted, target)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the predictions, shape (T,), of X, shape (T, 3 + H).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X does not fit or is not finite.
        """
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float64)
        predicted = np.asarray(self.regressor_.predict(features * self.weights_), np.float64)
        blend: Floats = self.share_ * predicted + (1 - self.share_) * features[:, 0]
        return blend


def _svr() -> SVR:
    return SVR(C=1.0, gamma=0.3, epsilon=0.02)


def _share(change: Floats, needed: Floats, prior: float) -> float:
    """Share of the changes that fits best what was needed, shrunk to N / (N + prior)."""
    n, power = len(change), float(change @ change)
    best = float(change @ needed) / power if power > 0 else 0.0
    return float(np.clip((n * best + prior * n / (n + prior)) / (n + prior), 0, 1))


class CurvePredictor(BaseEstimator):  # type: ignore[misc]
    """Final values of trainings from their partial curves and hyperparameters.

    Args:
        regressor: as in `RelevanceRegressor`.
        direction: "minimize" or "maximize" the metric.
        hp_weight: as in `RelevanceRegressor`.
        prior: as in `RelevanceRegressor`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> lr = rng.uniform(size=(30, 1))
        >>> curves = lr + 1 / np.arange(1, 21)
        >>> model = CurvePredictor().fit(curves[:, :5], lr, curves[:, -1])
        >>> bool(abs(model.predict(curves[:1, :5], lr[:1])[0] - curves[0, -1]) < 0.05)
        True
    """

    def __init__(
        self,
        regressor: object | None = None,
        *,
        direction: str = "minimize",
        hp_weight: float = 1.0,
        prior: float = 20.0,
    ) -> None:
        self.regressor = regressor
        self.direction = direction
        self.hp_weight = hp_weight
        self.prior = prior

    def fit(
        self, curves: ArrayLike, hyperparameters: ArrayLike, final: ArrayLike
    ) -> CurvePredictor:
        """Learn from finished trainings.

        Args:
            curves: the known part of their curves, shape (T, E), T >= 2, finite.
            hyperparameters: shape (T, H), finite; H may be 0.
            final: their final values, shape (T,), finite.

        Raises:
            ValueError: an argument is out of its range, or shapes do not fit.
        """
        known, target = self._losses(curves), self._losses(final).reshape(-1, 1)
        if len(known) != len(target):
            raise ValueError(f"{len(known)} curves but {len(target)} final values")
        if not np.isfinite(target).all():
            raise ValueError("final: a value is not finite (NaN or infinity)")
        self.scaler_ = CurveScaler().fit(known, hyperparameters)
        self.target_ = quantile_scaler(len(target)).fit(target)
        model = RelevanceRegressor(self.regressor, hp_weight=self.hp_weight, prior=self.prior)
        features = self.scaler_.transform(known, hyperparameters)
        self.model_ = model.fit(features, self.target_.transform(target).ravel())
        return self

    def predict(self, curves: ArrayLike, hyperparameters: ArrayLike) -> Floats:
        """Return the final values, shape (T,), within the range of those given to `fit`.

        Args:
            curves: shape (T, E), as long as in `fit`.
            hyperparameters: shape (T, H).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: shapes do not fit, or a value is not finite.
        """
        check_is_fitted(self)
        features = self.scaler_.transform(self._losses(curves), hyperparameters)
        quantile = np.clip(self.model_.predict(features), 0, 1).reshape(-1, 1)
        return self._losses(self.target_.inverse_transform(quantile).ravel())

    def score(self, curves: ArrayLike, hyperparameters: ArrayLike, final: ArrayLike) -> float:
        """Return R2 of the predicted final values, at most 1.

        Args:
            curves: as in `predict`.
            hyperparameters: as in `predict`.
            final: the true final values, shape (T,).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: shapes do not fit, or a value is not finite.
        """
        return float(r2_score(final, self.predict(curves, hyperparameters)))

    def _losses(self, values: ArrayLike) -> Floats:
        if self.direction not in ("minimize", "maximize"):
            raise ValueError(f"direction must be minimize or maximize, got {self.direction!r}")
        metric = np.asarray(values, np.float64)
        return metric if self.direction == "minimize" else -metric


def _raw_features(curves: ArrayLike, hyperparameters: ArrayLike) -> Floats:
    known = np.asarray(curves, np.float64)
    third = known.shape[1] // 3 if known.ndim == 2 else 0
    return last_values(known, hyperparameters, window=max(5, third))


def _is_logarithmic(column: Floats) -> bool:
    smallest, largest = float(column.min()), float(column.max())
    if smallest <= 0 or smallest == largest:
        return False
    return abs(float(skew(np.log(column)))) < abs(float(skew(column)))


def relevance(columns: ArrayLike, target: ArrayLike) -> Floats:
    """Return the share of the target's spread that each column alone explains, 0 to 1.

    The square root of the adjusted R2 of a parabola through the ranks: a column counts whether
    the target rises, falls or has its optimum in the middle. Noise counts as 0 on average.

    Columns have shape (N, F), the target (N,), the result (F,). It is 0 for a constant column or
    target, and for N < 4.
    """
    x = rankdata(np.asarray(columns, np.float64), axis=0)
    y = rankdata(np.asarray(target, np.float64))
    n_rows = len(y)
    if n_rows < 4 or np.ptp(y) == 0:
        return np.zeros(x.shape[1])
    y = (y - y.mean()) / y.std()
    explained = np.array([1 - _parabola_residual(column, y) for column in x.T])
    adjusted = 1 - (1 - explained) * (n_rows - 1) / (n_rows - 3)
    return np.sqrt(np.clip(adjusted, 0, 1))


def _parabola_residual(x: Floats, y: Floats) -> float:
    """Mean square that the best parabola leaves of y, of mean 0."""
    powers = np.vander(x / len(x) - 0.5, 3)
    coefficients = np.linalg.lstsq(powers, y, rcond=None)[0]
    return float(np.mean((y - powers @ coefficients) ** 2))
