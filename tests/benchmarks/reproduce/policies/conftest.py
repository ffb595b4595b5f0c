import numpy as np
import pytest


@pytest.fixture
def losses():
    """Makes a pool in which configurations keep their random rank."""

    def make(n, n_epochs):
        ranks = np.random.default_rng(0).permutation(n)
        return ranks[:, None] + np.linspace(1, 0.5, n_epochs)

    return make
