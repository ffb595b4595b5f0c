from datetime import datetime, timedelta

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import SECONDS
from hpo.search.cost import Costs, KernelRidge, coordinates

SPACE = {"width": IntDistribution(1, 100, log=True), "lr": FloatDistribution(0, 1)}
SMALL, LARGE = {"width": 2, "lr": 0.5}, {"width": 90, "lr": 0.5}


def study_of(n_trials, by_clock=False):
    """Trials of several lengths whose steps take as many seconds as they are wide."""
    study = optuna.create_study()
    for number in range(n_trials):
        width, n = 1 + (37 * number) % 100, 1 + number % 3
        start = datetime(2026, 1, 1)
        trial = create_trial(
            state=TrialState.PRUNED,
            params={"width": width, "lr": (number * 0.618) % 1},
            distributions=SPACE,
            intermediate_values=dict.fromkeys(range(1, n + 1), 0.0),
            user_attrs={} if by_clock else {SECONDS: float(width * n)},
        )
        trial.datetime_start = start
        trial.datetime_complete = start + timedelta(seconds=width * n if by_clock else 1)
        study.add_trial(trial)
    return study


@pytest.mark.parametrize("by_clock", [False, True])
def test_the_proposal_with_the_quicker_steps_is_taken(by_clock):
    study, costs = study_of(20, by_clock), Costs()
    assert costs.cheapest(study, [LARGE, SMALL], SPACE) == SMALL
    assert costs.cheapest(study, [SMALL, LARGE], SPACE) == SMALL


def test_the_first_one_is_taken_if_few_times_are_known():
    assert Costs().cheapest(study_of(9), [LARGE, SMALL], SPACE) == LARGE


def test_trials_of_another_space_say_nothing():
    more = {**SPACE, "x": FloatDistribution(0, 1)}
    proposals = [{**point, "x": 0.5} for point in (LARGE, SMALL)]
    assert Costs().cheapest(study_of(20), proposals, more) == proposals[0]


def test_later_trials_are_seen_too():
    study, costs = study_of(9), Costs()
    assert costs.cheapest(study, [LARGE, SMALL], SPACE) == LARGE
    study.add_trials(study_of(20).trials[9:])
    assert costs.cheapest(study, [LARGE, SMALL], SPACE) == SMALL


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
