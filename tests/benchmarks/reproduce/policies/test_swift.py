import numpy as np

from benchmarks.reproduce.policies.swift import swift_hyperband
from hpo.simulate.synchronous import hyperband


class Last:
    """Predicts the last value; all copies note what they learn from and how often they are asked.

    Args:
        fits: shapes of the curves learnt from.
        asked: numbers of curves predicted.
    """

    def __init__(self, fits, asked):
        self.fits, self.asked = fits, asked

    def __deepcopy__(self, memo):
        return Last(self.fits, self.asked)

    def fit(self, X, y):
        self.fits.append(X.shape)

    def predict(self, X):
        self.asked.append(len(X))
        return X[:, -1]


def test_swift_hyperband_spares_epochs_and_fits_each_predictor_once(losses):
    pool, fits, asked = losses(163, 100), [], []
    run = swift_hyperband(pool, Last(fits, asked))
    assert run.spent.epochs < hyperband(pool).spent.epochs
    assert run.final == hyperband(pool).final
    assert all(n >= 15 for n, _ in fits)
    # Seven first rungs and six ways from one rung to the next.
    assert 0 < len(fits) <= 13
    assert len(asked) > len(fits)


def test_without_enough_curves_swift_hyperband_is_hyperband(losses):
    pool = losses(163, 100)
    run = swift_hyperband(pool, Last([], []), n_curves=1000)
    assert run.spent.epochs == 3213
    assert run.lengths == hyperband(pool).lengths


def test_swift_hyperband_expects_nothing_of_what_has_diverged(losses):
    pool = losses(163, 100)
    pool[::7, 1:] = np.inf
    run = swift_hyperband(pool, Last([], []))
    assert run.final == hyperband(pool).final
