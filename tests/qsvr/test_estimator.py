from pathlib import Path

import dimod
import numpy as np
import pytest
from dwave.samplers import SteepestDescentSampler
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import qsvr
from qsvr.estimator import QSVR
from qsvr.features import last_values

CURVES_CSV = Path(__file__).parents[3] / "shared/data/curves/mlpf_delphes.csv"
TINY = {"n_reads": 10, "n_sweeps": 20, "n_solutions": 5, "random_state": 0}
X = np.linspace(-1, 1, 10)[:, None]
Y = np.sin(2 * X.ravel())
GRID = np.linspace(-1, 1, 41)[:, None]


@parametrize_with_checks([QSVR(gamma=0.02, box=5.0, **TINY)])  # its data have ten features
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_finer_encodings_converge_to_the_svr_of_the_same_box():
    unit = (Y - Y.min()) / np.ptp(Y)
    reference = SVR(C=0.6, gamma=2.0, epsilon=0.05).fit(X, unit).predict(GRID)

    def distance(n_bits):
        model = QSVR(
            gamma=2.0,
            epsilon=0.05,
            n_bits=n_bits,
            n_sweeps=1000,
            random_state=0,
        )
        return np.abs(model.fit(X, unit).predict(GRID) - reference).max()

    assert distance(1) > 0.05
    assert distance(8) < 0.015


@pytest.mark.parametrize(("factor", "shift"), [(100.0, 0.0), (1.0, 1e4), (1e-6, 3.0)])
def test_predictions_follow_the_unit_of_the_target(factor, shift):
    plain = QSVR(gamma=2.0, random_state=0).fit(X, Y)
    mean, std = QSVR(gamma=2.0, random_state=0).fit(X, factor * Y + shift).predict(GRID, True)
    expected = [each * factor for each in plain.predict(GRID, return_std=True)]
    np.testing.assert_allclose(mean, expected[0] + shift, rtol=1e-9)
    np.testing.assert_allclose(std, expected[1], rtol=1e-6)


@pytest.mark.parametrize("level", [0.7, 0.0, -3e6])
def test_a_constant_target_is_predicted(level):
    mean, std = QSVR(random_state=0).fit(X, np.full(10, level)).predict(GRID, return_std=True)
    np.testing.assert_array_equal(mean, level)
    np.testing.assert_array_equal(std, 0.0)


def test_far_from_all_samples_the_prediction_is_about_the_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2))
    y = 1e3 + x[:, 0]
    far = QSVR(random_state=0).fit(x, y).predict([[50.0, 50.0]])
    assert far == pytest.approx(y.mean(), abs=0.15 * np.ptp(y))


def test_gamma_may_follow_the_scale_of_the_samples():
    x = np.random.default_rng(0).normal(size=(20, 3))
    y = x[:, 0] + x[:, 1]
    by_scale = QSVR(gamma="scale", random_state=0).fit(100 * x, y).predict(100 * x)
    number = 1 / (3 * x.var())
    by_number = QSVR(gamma=number, random_state=0).fit(x, y).predict(x)
    np.testing.assert_allclose(by_scale, by_number)


def test_one_model_is_the_mean_of_its_lowest_solutions_with_mean_residual_zero():
    model = QSVR(gamma=2.0, random_state=0).fit(X, Y)
    assert model.delta_.shape == (20, 10)
    assert (np.diff(model.energies_) >= 0).all()
    np.testing.assert_allclose(model.predict(X).mean(), Y.mean(), atol=1e-12)
    kernel = np.exp(-2.0 * (GRID - X.T) ** 2)
    expected = kernel @ model.delta_.mean(axis=0) + model.bias_.mean()
    np.testing.assert_allclose(model.predict(GRID), expected)


def test_energies_are_the_dual_objective_of_each_solution():
    model = QSVR(gamma=2.0, epsilon=0.1, xi=0.3, random_state=0).fit(X, Y)
    unit = (Y - Y.min()) / np.ptp(Y)  # the target of the problem
    delta, kernel = model.delta_ / np.ptp(Y), np.exp(-2.0 * (X - X.T) ** 2)
    expected = (
        np.einsum("si,ij,sj->s", delta, kernel, delta) / 2
        + 0.3 * delta.sum(axis=1) ** 2
        + 0.1 * np.abs(delta).sum(axis=1)
        - delta @ unit
    )
    np.testing.assert_allclose(model.energies_, expected)


def test_more_samples_than_a_model_takes_are_shared_out_to_the_fewest_models():
    x = np.linspace(0, 1, 50)[:, None]
    model = QSVR(gamma=3.0, max_samples=20, n_solutions=1, random_state=0).fit(x, x.ravel())
    used = model.delta_ != 0  # the signed encoding has no level 0
    np.testing.assert_array_equal(used.sum(axis=0), 1)
    np.testing.assert_array_equal(np.sort(used.sum(axis=1)), [16, 17, 17])
    np.testing.assert_allclose(model.weights_, 1 / 3)


def test_a_number_of_models_draws_that_many_subsets():
    x = np.linspace(0, 1, 30)[:, None]
    model = QSVR(gamma=3.0, n_models=4, n_solutions=1, random_state=0).fit(x, x.ravel())
    np.testing.assert_array_equal((model.delta_ != 0).sum(axis=1), 20)
    assert len(np.unique(model.delta_ != 0, axis=0)) == 4


def test_each_model_weighs_the_same_however_many_solutions_it_has():
    x = np.array([[0.0], [1.0], [2.0]])  # subsets of 2 and 1 samples: 4 and 2 states of one bit
    model = QSVR(sampler=dimod.ExactSolver(), n_bits=1, max_samples=2, random_state=0)
    model.fit(x, x.ravel())
    assert len(model.weights_) == 6
    np.testing.assert_allclose(np.sort(model.weights_), [0.125] * 4 + [0.25] * 2)


def test_the_spread_over_members_is_zero_for_one_and_grows_where_models_disagree():
    alone = QSVR(gamma=2.0, n_solutions=1, random_state=0).fit(X, Y)
    np.testing.assert_allclose(alone.predict(GRID, return_std=True)[1], 0, atol=1e-12)
    several = QSVR(gamma=2.0, n_solutions=1, max_samples=5, random_state=0).fit(X, Y)
    mean, std = several.predict(GRID, return_std=True)
    np.testing.assert_array_equal(mean, several.predict(GRID))
    members = np.exp(-2.0 * (GRID - X.T) ** 2) @ several.delta_.T + several.bias_
    np.testing.assert_allclose(std, members.std(axis=1))
    assert std.max() > 0.05


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    def delta(seed):
        return QSVR(random_state=seed, n_solutions=1, max_samples=6).fit(X, Y).delta_

    np.testing.assert_array_equal(delta(1), delta(1))
    assert (delta(1) != delta(2)).any()


def test_any_dimod_sampler_does():
    by_object = QSVR(gamma=2.0, sampler=SteepestDescentSampler(), random_state=0)
    by_name = QSVR(gamma=2.0, sampler="steepest_descent", random_state=0)
    expected = clone(by_object).fit(X, Y).predict(GRID)
    np.testing.assert_array_equal(by_name.fit(X, Y).predict(GRID), expected)


@pytest.mark.skipif(not CURVES_CSV.is_file(), reason=f"{CURVES_CSV} is not there")
def test_twenty_trainings_predict_the_end_of_the_others_from_a_quarter_of_the_curve():
    table = np.genfromtxt(CURVES_CSV, delimiter=",", names=True)
    losses = np.stack([table[f"loss_{epoch}"] for epoch in range(100)], axis=1)
    scores = []
    for seed in range(200, 205):
        train, test = train_test_split(np.arange(len(losses)), train_size=20, random_state=seed)
        scale = QuantileTransformer(n_quantiles=20).fit(last_values(losses[train, :25]))
        target = QuantileTransformer(n_quantiles=20).fit(losses[train, -1:])
        features = scale.transform(last_values(losses[:, :25]))
        final = target.transform(losses[:, -1:]).ravel()
        model = QSVR(random_state=seed).fit(features[train], final[train])
        scores.append(r2_score(final[test], model.predict(features[test])))
    assert np.mean(scores) > 0.88


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_bits": 0}, "n_bits must be at least 1, got 0"),
        ({"box": 0.0}, "box must be greater than 0 and finite, got 0.0"),
        ({"gamma": -1.0}, "gamma must be greater than 0 and finite, got -1.0"),
        ({"epsilon": -0.1}, "epsilon must be at least 0"),
        ({"xi": -0.1}, "xi must be at least 0"),
        ({"sampler": "neal"}, "sampler must be one of .*, got 'neal'"),
        ({"n_reads": 0}, "n_reads must be at least 1, got 0"),
        ({"n_sweeps": 0}, "n_sweeps must be at least 1"),
        ({"n_solutions": 0}, "n_solutions must be at least 1"),
        ({"max_samples": 0}, "max_samples must be at least 1"),
        ({"n_models": 0}, "n_models must be at least 1"),
        ({"n_models": "auto"}, "n_models must be an integer, got 'auto'"),
        ({"n_reads": 2.5}, "n_reads must be an integer, got 2.5"),
        ({"box": None}, "box must be a number, got None"),
        ({"gamma": np.nan}, "gamma must be greater than 0 and finite, got nan"),
        ({"gamma": "auto"}, "gamma must be a number or \"scale\", got 'auto'"),
        ({"sampler": SteepestDescentSampler}, "or an object, got <class .*>; it is a class: add"),
        ({"sampler": 3}, "sampler must be one of .* or an object, got 3"),
        ({"sampler": dimod.ExactSolver()}, "ExactSolver takes at most 20 variables.*got 30"),
    ],
)
def test_parameters_out_of_range_are_rejected(parameters, message):
    with pytest.raises(ValueError, match=message):
        QSVR(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[np.nan], [1.0]], [0.0, 1.0], "contains NaN"),
        ([[0.0], [1.0]], [0.0, np.inf], "contains infinity"),
        ([[0.0], [1.0]], [0.0], "inconsistent numbers of samples"),
        ([0.0, 1.0], [0.0, 1.0], "Expected 2D array"),
    ],
)
def test_data_that_are_not_finite_or_do_not_fit_are_rejected(x, y, message):
    with pytest.raises(ValueError, match=message):
        QSVR().fit(x, y)


def test_prediction_needs_a_fit_and_the_same_features():
    with pytest.raises(NotFittedError):
        QSVR().predict(X)
    with pytest.raises(ValueError, match="2 features, but QSVR is expecting 1"):
        QSVR(**TINY).fit(X, Y).predict(np.zeros((1, 2)))


def test_the_package_offers_it_on_first_use():
    assert qsvr.QSVR is QSVR
    assert "QSVR" in qsvr.__all__
    with pytest.raises(AttributeError, match="'qsvr' has no attribute 'Nothing'"):
        _ = qsvr.Nothing
