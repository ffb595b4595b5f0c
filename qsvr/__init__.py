"""Learning-curve prediction by support vector regression, classical and annealed."""

from __future__ import annotations

from commons.exports import lazy

TYPE_CHECKING = False  # as type checkers know it

if TYPE_CHECKING:
    from qsvr.estimator import QSVR
    from qsvr.forecasting.forecaster import Forecaster
    from qsvr.predictor import CurvePredictor
    from qsvr.pruners import QSVRPruner, SVRPruner
    from qsvr.saving import load, save

__all__ = ["QSVR", "CurvePredictor", "Forecaster", "QSVRPruner", "SVRPruner", "load", "save"]

if not TYPE_CHECKING:  # so that type checkers refuse other names
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "QSVR": "qsvr.estimator",
            "CurvePredictor": "qsvr.predictor",
            "Forecaster": "qsvr.forecasting.forecaster",
            "QSVRPruner": "qsvr.pruners",
            "SVRPruner": "qsvr.pruners",
            "load": "qsvr.saving",
            "save": "qsvr.saving",
        },
    )
