import numpy as np
import pytest

from qsvr.benchmark.models import Fit
from qsvr.benchmark.rows import make_row
from qsvr.benchmark.run import Fits


def fits(**by_model):
    """Fits whose scores are the given ones: each prediction is its score."""
    target = np.zeros(1)
    made = {
        name: [Fit(target, np.array(each, dtype=float).reshape(-1, 1), 0.1) for each in scores]
        for name, scores in by_model.items()
    }
    return Fits(0.25, 20, made)


def as_told(target, predicted):
    return float(predicted[0])


def test_a_row_pairs_fits_of_the_same_split():
    row = make_row(fits(m=[0.8, 0.9], untrained=[0.7, 0.7]), "m", "grouped", r2=as_told)
    assert (row.model, row.protocol, row.fraction, row.n_train) == ("m", "grouped", 0.25, 20)
    assert (row.best, row.worst, row.n_fits) == (0.9, 0.8, 2)
    assert row.mean == pytest.approx(0.85)
    assert row.std == pytest.approx(0.05)
    assert row.se == pytest.approx(0.05)
    assert row.untrained == pytest.approx(0.7)
    assert row.minus_untrained.mean == pytest.approx(0.15)
    assert row.minus_untrained.se == pytest.approx(0.05)
    assert row.minus_classical is None
    assert row.cpu_s_per_fit == pytest.approx(0.1)
    assert row.r2 == pytest.approx((0.8, 0.9))


def test_an_annealed_model_is_paired_with_the_classical_one():
    group = fits(m=[0.8, 0.9], svr=[0.7, 0.8], untrained=[0.5, 0.5])
    row = make_row(group, "m", "grouped", "svr", as_told)
    assert row.minus_classical.mean == pytest.approx(0.1)
    assert row.minus_classical.se == pytest.approx(0)


def test_pooled_variants_count_for_the_spread_and_their_mean_for_the_pairs():
    group = fits(m=[[0.0, 1.0], [0.5, 0.5]], untrained=[0.0, 0.0])
    row = make_row(group, "m", "grouped", r2=as_told)
    assert (row.best, row.worst, row.mean) == (1.0, 0.0, 0.5)
    assert row.r2 == (0.5, 0.5)
    assert row.minus_untrained.se == 0


def test_by_default_r2_is_that_of_scikit_learn():
    perfect = Fit(np.arange(3.0), np.arange(3.0)[None])
    untrained = Fit(np.arange(3.0), np.ones((1, 3)))
    group = Fits(0.5, 3, {"m": [perfect] * 2, "untrained": [untrained] * 2})
    row = make_row(group, "m", "grouped")
    assert (row.mean, row.untrained, row.cpu_s_per_fit) == (1, 0, None)
