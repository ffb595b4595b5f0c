"""Learning-curve prediction by support vector regression, classical and annealed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qsvr.estimator import QSVR
    from qsvr.forecasting.forecaster import Forecaster
    from qsvr.predictor import CurvePredictor
    from qsvr.pruners import QSVRPruner, SVRPruner
    from qsvr.saving import load, save

__all__ = ["QSVR", "CurvePredictor", "Forecaster", "QSVRPruner", "SVRPruner", "load", "save"]

# Imported on first use: the annealers take a second.
_MODULES = {
    "QSVR": "qsvr.estimator",
    "CurvePredictor": "qsvr.predictor",
    "Forecaster": "qsvr.forecasting.forecaster",
    "QSVRPruner": "qsvr.pruners",
    "SVRPruner": "qsvr.pruners",
    "load": "qsvr.saving",
    "save": "qsvr.saving",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
