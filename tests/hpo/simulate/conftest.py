import numpy as np
import pytest

from hpo.curves import CurveTable


@pytest.fixture
def table():
    """Makes a table of curves whose only hyperparameter is the row's place in [0, 1]."""

    def make(curves, direction="minimize"):
        curves = np.array(curves, dtype=float)
        place = np.linspace(0, 1, len(curves))[:, None]
        return CurveTable(("x",), place, curves, direction)

    return make


@pytest.fixture
def random_table(table):
    """Makes a table of random, mostly falling curves."""

    def make(n, n_epochs, direction="minimize"):
        random = np.random.default_rng(1)
        steps = random.random((n, n_epochs)) - 0.1
        losses = random.random((n, 1)) * n_epochs - np.cumsum(steps, axis=1) / 4
        return table(losses if direction == "minimize" else -losses, direction)

    return make
