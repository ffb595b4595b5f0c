"""Regressors of the drift of learning curves, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import Ridge
from sklearn.svm import SVR


def _qsvr() -> Any:
    from qsvr.estimator import QSVR  # the annealers take a second to import

    # Tube and box are those of svr below, for drifts that span about four standard deviations.
    # One model of 20 samples: what a quantum annealer takes. The members of the drift model's
    # cross-validation make a bag of them.
    return QSVR(epsilon=0.025, box=0.25, n_models=1, n_reads=20, n_sweeps=100, random_state=0)


REGRESSORS: dict[str, Callable[[], Any]] = {
    "last": lambda: None,  # the mean drift of similar trainings
    "linear": lambda: Ridge(alpha=1.0),
    "gp": lambda: GaussianProcessRegressor(RBF(1.0) + WhiteKernel(0.3), optimizer=None),
    "svr": lambda: SVR(C=1.0, gamma=0.3, epsilon=0.1),
    "qsvr": _qsvr,
}


def make_regressor(regressor: Any) -> Any:
    """Return the regressor of a name (None for "last"), or the regressor itself.

    Raises:
        ValueError: the name is unknown, or what is given cannot be fitted.
    """
    if isinstance(regressor, str) and regressor in REGRESSORS:
        return REGRESSORS[regressor]()
    if not hasattr(regressor, "fit"):
        known = f"{', '.join(REGRESSORS)} or a scikit-learn regressor"
        raise ValueError(f"regressor must be {known}, got {regressor!r}")
    return regressor
