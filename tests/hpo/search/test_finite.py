import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BruteForceSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from hpo.search.finite import (
    check_finite,
    check_grid,
    free_points,
    is_exhausted,
    is_small,
    most_trials,
    n_placed,
    n_points,
    points,
)
from hpo.settings import SettingError

X, C = IntDistribution(1, 2), CategoricalDistribution(["a", None])
SPACE = {"x": X, "c": C}
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def add(study, x, c, state=TrialState.COMPLETE):
    value = 0.0 if state == TrialState.COMPLETE else None
    params = {"x": x, "c": c}
    study.add_trial(create_trial(state=state, value=value, params=params, distributions=SPACE))


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (FloatDistribution(0, 0.9, step=0.3), [0.0, 0.3, 0.6, 0.9]),
        (FloatDistribution(1e-13, 3e-13, step=1e-13), [1e-13, 2e-13, 3e-13]),
        (IntDistribution(2, 8, step=3), [2, 5, 8]),
        (IntDistribution(1, 3, log=True), [1, 2, 3]),
        (C, ["a", None]),
    ],
)
def test_a_distribution_with_steps_has_so_many_points(distribution, values):
    assert points(distribution) == values
    assert n_points(distribution) == len(values)
    check_finite({"x": distribution})
    check_grid({"x": values}, {"x": distribution})


def test_a_continuous_one_has_none_and_its_key_is_named():
    assert n_points(FloatDistribution(0, 1)) is None
    with pytest.raises(SettingError) as refused:
        check_finite({"n": X, "lr": FloatDistribution(0, 1)})
    assert "lr has no steps; use range() or choice()" in str(refused.value)


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ({"x": [1]}, "its search_space lacks c"),
        ({"x": [1, 3], "c": ["a"]}, "x=3, which is not in the range of x"),
        ({"x": [1], "c": ["b"]}, "c='b', which is not"),
        ({"x": [1], "c": ["a"], "y": [0]}, "search_space has y, which is not searched"),
    ],
)
def test_a_grid_of_another_space_is_refused_by_its_key(grid, text):
    with pytest.raises(SettingError) as refused:
        check_grid(grid, SPACE)
    assert text in str(refused.value)


def test_more_keys_than_known_are_left_to_the_custom_search_space():
    check_grid({"x": [1], "c": ["a"], "y": [0]}, SPACE, more=True)


def test_the_points_that_are_left_bound_the_number_of_trials():
    study = optuna.create_study()
    brute, grid = BruteForceSampler(), GridSampler({"x": [1, 2], "c": ["a", None]})
    assert most_trials(study, brute, SPACE) == most_trials(study, grid) == 4
    for _ in range(2):
        add(study, 1, "a")
    add(study, 1, None, TrialState.RUNNING)
    add(study, 2, "a", TrialState.FAIL)
    study.add_trial(create_trial(state=TrialState.WAITING))
    assert n_placed(study.trials) == 4
    assert most_trials(study, brute, SPACE) == 5  # one point is left
    assert most_trials(study, grid) == 8  # none of the trials is of this grid
    assert most_trials(study, TPESampler(), SPACE) == most_trials(study, brute) == math.inf


def test_a_trial_that_runs_counts_as_visited():
    study = optuna.create_study()
    sampler = BruteForceSampler()
    assert not is_exhausted(study, sampler)
    for x, c in ((1, "a"), (1, None), (2, "a")):
        add(study, x, c)
    assert not is_exhausted(study, sampler)
    add(study, 2, None, TrialState.RUNNING)
    assert is_exhausted(study, sampler)
    assert not is_exhausted(study, RandomSampler())


def test_the_points_of_a_small_space_that_nobody_has_are_free():
    taken = np.array([[1, 0], [2, 0], [1, np.nan]])  # a choice is given by its number
    assert free_points(SPACE, taken) == [{"x": 1, "c": None}, {"x": 2, "c": None}]
    assert len(free_points(SPACE, np.empty((0, 2)))) == 4


@pytest.mark.parametrize(
    ("more", "small"),
    [
        (IntDistribution(1, 250), True),
        (IntDistribution(1, 251), False),
        (FloatDistribution(0, 1), False),
    ],
)
def test_a_space_of_at_most_a_thousand_points_is_small(more, small):
    space = {**SPACE, "more": more}
    assert is_small(space) == small
    assert bool(free_points(space, np.empty((0, 3)))) == small
