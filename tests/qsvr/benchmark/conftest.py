import numpy as np
import pytest

from qsvr.benchmark.curves import LearningCurves


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)


@pytest.fixture(scope="session")
def table():
    """60 trainings of 12 epochs, of fewer configurations; two of three hyperparameters matter."""
    rng = np.random.default_rng(0)
    hps = rng.integers(1, 5, size=(60, 3)).astype(float)
    final = hps @ [0.3, -0.1, 0.0] + 0.05 * rng.normal(size=60)
    curves = final[:, None] + np.exp(-np.arange(12) / 3)
    return LearningCurves(hps, ("a", "b", "c"), curves)
