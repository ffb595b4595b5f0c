import math

import numpy as np
import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import TrialState

from commons.asha import AshaPruner


def sweep(pruner, curves, direction="minimize", n_workers=1):
    """Train curves side by side, in turn; return after how many steps each of them ended."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    waiting = iter(enumerate(curves))
    ended, running = {}, []
    while True:
        while len(running) < n_workers and (new := next(waiting, None)) is not None:
            running.append((study.ask(), *new, 0))
        if not running:
            return [ended[i] for i in range(len(curves))]
        trial, i, curve, step = running.pop(0)
        trial.report(curve[step], step + 1)
        pruned = trial.should_prune()
        if pruned or step + 1 == len(curve):
            ended[i] = step + 1
            study.tell(trial, state=TrialState.PRUNED) if pruned else study.tell(trial, curve[-1])
        else:
            running.append((trial, i, curve, step + 1))


def test_the_best_third_of_those_at_a_rung_goes_on():
    curves = [[v] * 2 for v in (3.0, 4.0, 2.0, 1.0, 2.5, 1.5, 5.0)]
    # rank of n:                  1/1, 2/2, 1/3, 1/4, 3/5, 2/6, 7/7
    assert sweep(AshaPruner(1, ranking="last"), curves) == [2, 1, 2, 2, 1, 2, 1]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(("r", "eta"), [(1, 3), (2, 2), (4, 4)])
@pytest.mark.parametrize("n_workers", [1, 5])
def test_without_ties_decisions_are_those_of_optuna(direction, r, eta, n_workers):
    rng = np.random.default_rng(eta)
    curves = (rng.normal(size=(60, 1)) + rng.normal(scale=0.5, size=(60, 30))).tolist()
    theirs = SuccessiveHalvingPruner(min_resource=r, reduction_factor=eta)
    ours = sweep(AshaPruner(r, eta, "last"), curves, direction, n_workers)
    assert ours == sweep(theirs, curves, direction, n_workers)
    assert len(set(ours)) >= 3


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_repetition_of_the_best_trial_is_pruned_where_optuna_trains_it_in_full(direction):
    repeated = [[1.0] * 9] * 8
    assert sweep(AshaPruner(1, ranking="last"), repeated, direction) == [9] + [1] * 7
    theirs = SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    assert sweep(theirs, repeated, direction) == [9] * 8


def test_equals_rank_by_their_number_whoever_is_first_at_the_rung():
    study = optuna.create_study(pruner=AshaPruner(1, ranking="last"))
    early, late = study.ask(), study.ask()
    late.report(1.0, 1)
    early.report(1.0, 1)
    assert not early.should_prune()
    assert late.should_prune()


def test_nan_is_pruned_at_a_rung_and_does_not_count_for_others():
    curves = [[math.nan] * 3, [2.0] * 3, [1.0, math.nan, 1.0], [1.5] * 3]
    assert sweep(AshaPruner(1, ranking="last"), curves) == [1, 3, 3, 1]
    assert sweep(AshaPruner(2, ranking="last"), curves) == [2, 3, 2, 3]


def test_a_report_that_jumps_over_rungs_counts_at_each_of_them():
    study = optuna.create_study(pruner=AshaPruner(1, ranking="last"))
    for value, pruned in ((2.0, False), (3.0, True), (1.0, False)):
        trial = study.ask()
        trial.report(value, 5)
        assert trial.should_prune() == pruned
    between = study.ask()
    between.report(1.5, 1)  # third of four, and one may go on
    assert between.should_prune()


def test_nothing_is_decided_between_rungs_or_before_a_report():
    study = optuna.create_study(pruner=AshaPruner(min_resource=1, ranking="last"))
    best = study.ask()
    best.report(1.0, 1)
    worse = study.ask()
    assert not worse.should_prune()
    worse.report(0.5, 1)
    worse.report(9.0, 2)
    assert not worse.should_prune()


def test_nothing_is_written_to_the_storage():
    study = optuna.create_study(pruner=AshaPruner(1, ranking="last"))
    trial = study.ask()
    trial.report(1.0, 1)
    trial.should_prune()
    assert study.trials[0].system_attrs == {}


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="min_resource must be >= 1, got 0"):
        AshaPruner(min_resource=0)


def falling(level, n=40):
    """A curve that falls to a level."""
    return [level + 1 / step for step in range(1, n + 1)]


def test_by_default_few_trials_end_at_each_rung_of_a_slow_ladder():
    levels = np.random.default_rng(0).permutation(60) / 10
    ended = sweep(AshaPruner(max_resource=40), [falling(level) for level in levels])
    assert set(ended) <= {2, 3, 5, 8, 12, 18, 27, 40}
    assert ended[int(levels.argmin())] == 40
    n_on = [sum(end > rung for end in ended) for rung in (2, 3, 5, 8, 12, 18, 27)]
    aims = [0.8 * 60 * (2 / rung) ** 0.85 for rung in (3, 5, 8, 12, 18, 27, 40)]
    for n, aim in zip(n_on, aims, strict=True):  # the first trials had few to be compared with
        assert 0.8 * aim < n < aim + 8


def test_what_a_full_trial_takes_is_learnt_from_the_longest_one():
    curves = [falling(level, 200) for level in (1.0, 3.0, 2.0, 4.0, 0.5)]
    known = sweep(AshaPruner(max_resource=200), curves)
    assert known == [200, 4, 4, 4, 200]
    assert sweep(AshaPruner(), curves) == known
    assert AshaPruner().is_due(2, 3)  # which rungs there are depends on the study
    assert not AshaPruner(max_resource=200).is_due(2, 3)


def test_equal_curves_that_have_not_moved_all_go_on():
    rng = np.random.default_rng(0)
    bests = rng.random(40)
    curves = [[0.1] * 5 + [best * step / 40 for step in range(6, 41)] for best in bests]
    ended = sweep(AshaPruner(max_resource=40), curves, "maximize")
    assert min(ended) > 5
    assert sum(end == 8 for end in ended) > 20
    assert ended[int(bests.argmax())] == 40


def test_a_repetition_of_a_curve_that_moves_ends_at_a_rung():
    ended = sweep(AshaPruner(max_resource=40), [falling(1.0)] * 9)
    assert ended[0] == 40
    assert max(ended[4:]) < 40


def test_with_auto_the_reduction_factor_may_still_be_chosen():
    curves = [falling(level, 20) for level in (3.0, 4.0, 2.0, 5.0)]
    assert sweep(AshaPruner("auto", 2, max_resource=20), curves) == [20, 2, 20, 2]
