import json
from typing import ClassVar

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import SKIPPED
from hpo.search.screen import KernelRidge, Screen, coordinates

SPACE = {"x": FloatDistribution(0, 1)}


def earlier(x, value, direction=1):
    return create_trial(params={"x": x}, distributions=SPACE, value=direction * value)


def valley(n=21, direction=1):
    """Trials whose value is best in the middle."""
    return [earlier(x, (x - 0.5) ** 2, direction) for x in np.linspace(0, 1, n)]


def judge(screen, points, direction="minimize"):
    """Ask a screen about one new trial after the other; return the study and what was skipped."""
    study = optuna.create_study(direction=direction)
    skipped = []
    for x in points:
        study.enqueue_trial({"x": x})
        trial = study.ask(SPACE)
        skipped.append(screen.skips(study, study._storage.get_trial(trial._trial_id)))
        study.tell(trial, state=TrialState.PRUNED)
    return study, skipped


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_trials_far_from_the_good_ones_are_skipped(direction, sign):
    screen = Screen()
    screen.learn(valley(direction=sign))
    study, skipped = judge(screen, [0.5, 0.0, 1.0, 0.05, 0.5, 0.52], direction)
    assert skipped == [False, True, True, True, False, False]
    record = study.trials[1].user_attrs[SKIPPED]
    assert record["predicted"] > 1
    assert record["best"] < -0.5
    assert 0 < record["spread"] < 1
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize("max_share", [0.0, 0.5, 0.75])
def test_never_more_than_the_share_is_skipped(max_share):
    screen = Screen(max_share=max_share)
    screen.learn(valley())
    _, skipped = judge(screen, [0.0] * 40)
    assert sum(skipped) == 40 * max_share
    assert all(sum(skipped[:n]) <= max_share * n for n in range(1, 40))


def test_trials_that_have_not_begun_do_not_count_for_the_share():
    screen = Screen(max_share=0.75)
    screen.learn(valley())
    study = optuna.create_study()
    for _ in range(10):
        study.enqueue_trial({})
    trial = study.ask(SPACE)
    assert not screen.skips(study, study._storage.get_trial(trial._trial_id))


def test_where_hyperparameters_say_nothing_nothing_is_skipped():
    random = np.random.default_rng(0)
    screen = Screen()
    screen.learn([earlier(x, random.normal()) for x in random.random(60)])
    assert not any(judge(screen, random.random(30))[1])


def test_less_optimism_skips_more():
    def n_skipped(optimism):
        screen = Screen(optimism=optimism)
        screen.learn(valley())
        return sum(judge(screen, np.linspace(0.5, 1, 40))[1])

    assert 0 < n_skipped(6.0) < n_skipped(1.0)


def test_a_few_trials_are_no_ground_to_skip():
    screen = Screen()
    screen.learn(valley(9))
    assert not any(judge(screen, [0.0] * 8)[1])
    screen.learn(valley(9))  # more from another study
    assert any(judge(screen, [0.0] * 8)[1])


def test_the_units_of_the_earlier_study_do_not_matter():
    def skipped(stretch):
        screen = Screen()
        screen.learn([earlier(t.params["x"], stretch(t.value)) for t in valley()])
        return judge(screen, np.linspace(0, 1, 30))[1]

    assert skipped(lambda y: y) == skipped(lambda y: 1000 + np.exp(9 * y))


class Mean:
    """A regressor of scikit-learn's kind; notes its training data."""

    fits: ClassVar = []

    def fit(self, X, y):
        self.fits.append((X, y))
        self.mean = y.mean()

    def predict(self, X):
        return np.full(len(X), self.mean)


def test_any_regressor_serves_and_repeats_do_not_flatter_its_errors():
    screen = Screen(Mean())
    screen.learn([earlier(x, x) for x in (0.1, 0.3, 0.5, 0.7, 0.9) for _ in range(3)])
    judge(screen, [0.2, 0.4])
    assert [len(X) for X, _ in Mean.fits] == [12] * 5 + [15]
    assert all(len(set(X.ravel())) == 4 for X, _ in Mean.fits[:5])


def test_coordinates_lie_in_the_unit_cube():
    space = {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "n": IntDistribution(2, 6),
        "bins": CategoricalDistribution([64, 8, 16]),
        "on": CategoricalDistribution([True, False]),
        "kind": CategoricalDistribution(["a", "b"]),
        "one": IntDistribution(3, 3),
    }
    params = {"lr": 1e-3, "n": 3, "bins": 16, "on": True, "kind": "b", "one": 3}
    assert coordinates(params, space) == pytest.approx([0.5, 0.25, 0.5, 1, 0, 1])


def test_kernel_ridge_goes_through_smooth_data_and_returns_to_the_mean():
    X = np.linspace(0, 1, 30)[:, None]
    y = np.sin(3 * X[:, 0])
    model = KernelRidge(ridge=1e-6).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-3)
    np.testing.assert_allclose(model.predict(np.array([[50.0]])), [y.mean()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimism": -1}, "optimism"),
        ({"max_share": 1}, "max_share"),
        ({"max_share": -0.1}, "-0.1"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Screen(**arguments)
