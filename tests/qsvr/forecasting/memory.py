"""A regressor that has learned nothing but its training rows."""

import numpy as np
from sklearn.linear_model import LinearRegression


class Memory(LinearRegression):
    """Knows what it has seen by heart and nothing else."""

    def fit(self, X, y):
        self.known = {tuple(row): value for row, value in zip(X, y, strict=True)}
        return self

    def predict(self, X):
        return np.array([self.known.get(tuple(row), 0.0) for row in X])
