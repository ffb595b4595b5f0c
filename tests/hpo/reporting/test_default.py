import pytest
from optuna.trial import TrialState, create_trial

from hpo.reporting.default import Compared, compare_default

DEFAULT = {"enqueued": "default"}


def trial(number, state, curve, marks=None, value=None):
    made = create_trial(
        state=state, value=value, intermediate_values=dict(enumerate(curve, 1)), user_attrs=marks
    )
    made.number = number
    return made


BEST = trial(1, TrialState.COMPLETE, [0.5, 0.4, 0.3], value=0.3)


def line(*trials, best=1):
    found = compare_default(trials, best, ["loss"])
    return None if found is None else str(found)


def test_a_complete_default_is_compared_by_the_final_values():
    default = trial(0, TrialState.COMPLETE, [0.9, 0.7, 0.4], DEFAULT, value=0.4)
    found = compare_default([default, BEST], 1, ["loss"])
    assert found.values == (Compared("loss", 0.4, 0.3, pytest.approx(-0.25)),)
    assert str(found) == "default 0.4 (trial 0) -> best 0.3 (-25.0 %)"


def test_a_pruned_default_is_compared_at_the_step_where_it_was_pruned_without_a_gain():
    default = trial(0, TrialState.PRUNED, [0.9, 0.8], DEFAULT, value=0.8)
    assert compare_default([default, BEST], 1, ["loss"]).values[0].change == -0.5
    told = "default (trial 0) pruned at epoch 2 with 0.8; the best trial had 0.4 at that epoch"
    assert line(default, BEST) == told


def test_what_has_no_value_is_told_without_a_percentage():
    failed = trial(0, TrialState.FAIL, [], DEFAULT)
    diverged = trial(0, TrialState.PRUNED, [], DEFAULT | {"diverged": 1})
    assert line(failed, BEST) == "default (trial 0) failed without a value"
    assert line(diverged, BEST) == "default (trial 0) diverged without a value"
    zero = trial(0, TrialState.COMPLETE, [], DEFAULT, value=0.0)
    assert line(zero, BEST) == "default 0 (trial 0) -> best 0.3"


def test_a_default_that_nothing_beats_is_told():
    best = trial(0, TrialState.COMPLETE, [0.2], DEFAULT, value=0.2)
    assert line(best, BEST, best=0) == "default 0.2 (trial 0) is the best"


def test_a_step_that_the_best_has_not_reported_is_not_made_up():
    default = trial(0, TrialState.PRUNED, [0.9] * 4, DEFAULT, value=0.9)
    assert line(default, BEST).endswith("the best trial had no value at that epoch")
    assert line(default, best=None).endswith("the best trial had no value at that epoch")


def test_no_default_and_one_that_goes_on_are_not_compared():
    running = trial(0, TrialState.RUNNING, [0.9], DEFAULT)
    assert line(running, BEST) is None
    assert line(trial(0, TrialState.COMPLETE, [], {"enqueued": "given"}, value=1.0), BEST) is None


def several(number, values, marks=None, excess=0.0):
    made = create_trial(values=values, user_attrs=marks, system_attrs={"constraints:gb": excess})
    made.number = number
    return made


def test_of_several_objectives_each_one_is_compared():
    trials = [several(0, [0.4, 2.0], DEFAULT), several(1, [0.3, 3.0])]
    told = str(compare_default(trials, 1, ["loss", "ms"]))
    assert told == ("default loss 0.4, ms 2 (trial 0) -> best loss 0.3 (-25.0 %), ms 3 (+50.0 %)")
    assert str(compare_default(trials, 0, ["loss", "ms"])) == (
        "default loss 0.4, ms 2 (trial 0) is the best"
    )


def test_a_default_beyond_a_constraint_says_so():
    trials = [several(0, [0.2], DEFAULT, excess=1.0), several(1, [0.3])]
    found = compare_default(trials, 1, ["loss"])
    assert found.end == "infeasible"
    assert str(found) == "default 0.2 (trial 0, infeasible) -> best 0.3 (+50.0 %)"


def test_a_pruned_default_of_several_objectives_is_compared_by_the_reported_one():
    default = trial(0, TrialState.PRUNED, [0.2], DEFAULT)
    best = create_trial(values=[3.0, 0.8], intermediate_values={1: 0.4, 2: 0.8})
    best.number = 1
    found = compare_default([default, best], 1, ["ms", "accuracy"], 1)
    assert found.values == (Compared("accuracy", 0.2, 0.4, pytest.approx(1.0)),)
    assert str(found) == (
        "default (trial 0) pruned at epoch 1 with accuracy 0.2; "
        "the best trial had accuracy 0.4 at that epoch"
    )
