from dataclasses import replace

import numpy as np
import optuna
from optuna.trial import TrialState

from hpo.simulate.trials import RowTrials, SampledTrials, curve_of

RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 1}


def test_a_curve_has_the_values_of_its_row_and_its_time(table):
    timed = replace(table([[3, 2, 1], [6, 5, 4]]), epoch_s=np.array([10.0, 20.0]))
    curve = curve_of(timed, 1)
    assert (curve.values, [*curve.steps], curve.final) == ([6, 5, 4], [1, 2, 3], 4)
    assert (curve.epoch_s, curve.end) == (20, TrialState.COMPLETE)
    assert curve_of(table([[3, 2, 1]]), 0).epoch_s is None


def test_rows_come_with_their_hyperparameters_in_order(table):
    trials = RowTrials(table([[3, 3], [2, 2], [1, 1]]), np.array([2, 0]))
    assert trials.n_trials == 2
    assert [trials.fixed(number)["x"] for number in range(2)] == [1.0, 0.0]


def test_a_proposal_has_the_curve_of_the_nearest_row_that_is_left(table):
    trials = SampledTrials(table([[3, 3], [2, 2], [1, 1]]), RANDOM, seed=0, n_trials=7)
    near = optuna.trial.create_trial(params={"x": 0.6}, distributions=trials.space, value=0.0)
    values = [trials.curve(near).values for _ in range(6)]
    assert values == 2 * [[2, 2], [1, 1], [3, 3]]  # x = .5, 1, 0, then all again
    assert (trials.n_trials, trials.fixed(0)) == (7, {})
    points = [trials.sampler(number)._rng.rng.random() for number in (0, 1, 0)]
    assert points[0] == points[2] != points[1]
