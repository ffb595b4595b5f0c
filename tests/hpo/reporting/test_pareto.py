from optuna.trial import TrialState, create_trial

from hpo.reporting.pareto import front_of, is_feasible, rule_of


def made(number, values, excess=0.0):
    trial = create_trial(
        state=TrialState.COMPLETE, values=values, system_attrs={"constraints:gb": excess}
    )
    trial.number = number
    return trial


def test_the_front_is_what_no_other_trial_beats():
    points = [(1, 5), (2, 4), (2, 5), (3, 3), (4, 4), (1, 6), (3, 3)]
    trials = [made(number, point) for number, point in enumerate(points)]
    assert [t.number for t in front_of(trials, ["minimize"] * 2).trials] == [0, 1, 3, 6]
    assert [t.number for t in front_of(trials, ["minimize", "maximize"]).trials] == [5]


def test_infeasible_and_unfinished_trials_are_not_on_it():
    trials = [made(0, (1, 1), excess=0.1), made(1, (2, 2))]
    trials.append(create_trial(state=TrialState.PRUNED))
    assert [is_feasible(trial) for trial in trials] == [False, True, True]
    assert [t.number for t in front_of(trials, ["minimize"] * 2).trials] == [1]


def best(points, weights, directions=("minimize", "minimize"), **excess):
    trials = [made(number, point, **excess) for number, point in enumerate(points)]
    return front_of(trials, directions).best(weights)


POINTS = [(1.0, 50.0), (2.0, 20.0), (5.0, 10.0), (6.0, 11.0)]  # the last one is beaten


def test_without_weights_the_first_objective_decides():
    assert best(POINTS, None).number == 0
    assert best(POINTS, [0.0, 1.0]).number == 2


def test_weights_count_on_the_scale_of_the_front():
    # Scaled: (0, 1), (1/4, 1/4), (1, 0).
    assert best(POINTS, [1.0, 1.0]).number == 1
    assert best(POINTS, [1.0, 0.2]).number == 0
    assert best(POINTS, [0.2, 1.0]).number == 2
    # The units do not matter, nor does a trial that is not on the front.
    in_us = [(loss, 1000 * ms) for loss, ms in POINTS]
    assert best([*in_us, (1e9, 1e9)], [1.0, 1.0]).number == 1


def test_an_objective_to_maximize_is_the_best_where_it_is_largest():
    points = [(loss, -ms) for loss, ms in POINTS]
    assert best(points, [1.0, 1.0], ("minimize", "maximize")).number == 1
    assert best(points, [0.0, 1.0], ("minimize", "maximize")).number == 2


def test_what_is_the_same_all_over_the_front_does_not_count():
    assert best([(3.0, 1.0)], [1.0, 1.0]).number == 0
    assert best([(1.0, 2.0, 7.0), (2.0, 1.0, 7.0)], [1.0, 0.9, 5.0], ["minimize"] * 3).number == 0


def test_constraints_come_first():
    trials = [made(0, (1, 1), excess=0.1), made(1, (9, 9))]
    assert front_of(trials, ["minimize"] * 2).best([1.0, 1.0]).number == 1
    assert best(POINTS, [1.0, 1.0], excess=1.0) is None


def test_a_value_that_is_not_finite_does_not_spoil_the_scale():
    points = [(float("inf"), 0.0), (1.0, 2.0), (2.0, 1.0)]
    assert best(points, [1.0, 0.1]).number == 1


def test_of_many_equal_trials_the_first_is_the_best_at_little_cost():
    trials = [made(number, (1.0,)) for number in range(20_000)]
    assert front_of(trials, ["minimize"]).best().number == 0


def test_the_rule_is_told_in_words():
    assert rule_of(["loss", "ms"], [0.0, 3.0]) == "ms"
    assert rule_of(["loss", "ms"], [1.0, 1.0]).startswith("1 loss + 1 ms, each scaled to 0..1")
