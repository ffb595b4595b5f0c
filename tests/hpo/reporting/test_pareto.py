from optuna.trial import TrialState, create_trial

from hpo.reporting.pareto import front, is_feasible


def made(number, values, excess=0.0):
    trial = create_trial(
        state=TrialState.COMPLETE, values=values, system_attrs={"constraints:gb": excess}
    )
    trial.number = number
    return trial


def test_the_front_is_what_no_other_trial_beats():
    points = [(1, 5), (2, 4), (2, 5), (3, 3), (4, 4), (1, 6), (3, 3)]
    trials = [made(number, point) for number, point in enumerate(points)]
    assert [t.number for t in front(trials, ["minimize"] * 2)] == [0, 1, 3, 6]
    assert [t.number for t in front(trials, ["minimize", "maximize"])] == [5]


def test_infeasible_and_unfinished_trials_are_not_on_it():
    trials = [made(0, (1, 1), excess=0.1), made(1, (2, 2))]
    trials.append(create_trial(state=TrialState.PRUNED))
    assert [is_feasible(trial) for trial in trials] == [False, True, True]
    assert [t.number for t in front(trials, ["minimize"] * 2)] == [1]
