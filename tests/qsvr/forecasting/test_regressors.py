import numpy as np
import pytest
from sklearn.linear_model import Ridge

from qsvr.forecasting.regressors import REGRESSORS, make_regressor


def test_last_is_no_regressor():
    assert make_regressor("last") is None


@pytest.mark.parametrize("name", [name for name in REGRESSORS if name != "last"])
def test_each_name_is_a_regressor_that_learns_a_line(name):
    x = np.linspace(-1, 1, 20)[:, None]
    predicted = make_regressor(name).fit(x, x.ravel()).predict(x)
    assert np.corrcoef(predicted, x.ravel())[0, 1] > 0.95


def test_a_regressor_is_new_at_each_call():
    assert make_regressor("svr") is not make_regressor("svr")


def test_an_object_with_fit_is_taken_as_it_is():
    mine = Ridge()
    assert make_regressor(mine) is mine


@pytest.mark.parametrize("wrong", ["forest", 3, None])
def test_anything_else_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=f"last, linear, gp, svr, qsvr.*got {wrong!r}"):
        make_regressor(wrong)
