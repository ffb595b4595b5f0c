import copy
import math
import pickle

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import PAUSED
from hpo.curves import CurveTable
from hpo.search.ladder import LadderPruner
from hpo.search.pausing import Decision, PausingPruner, decide
from hpo.simulate.engine import replay
from hpo.simulate.trials import RowTrials

WAITING, RUNNING = TrialState.WAITING, TrialState.RUNNING
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


class First(PausingPruner):
    """Lets the first paused trial go on, and counts how often it is asked."""

    def __init__(self):
        self.n_asked = 0

    def pause(self, study, trial):
        raise AssertionError

    def choose(self, study, paused):
        self.n_asked += 1
        return paused[0]


def make_study(policy, *trials, n_new=0):
    """A study of trials (state, values); one that waits or was pruned with values has paused."""
    made = optuna.create_study(pruner=policy)
    for state, *values in trials:
        paused = state in (WAITING, PRUNED)
        made.add_trial(
            create_trial(
                state=state,
                value=values[-1] if state == COMPLETE else None,
                intermediate_values=dict(enumerate(values, 1)),
                system_attrs={PAUSED: len(values)} if paused else {},
            )
        )
    for _ in range(n_new):
        made.enqueue_trial({})
    return made


def chosen(study):
    """The numbers that workers who come one after the other would resume."""
    left, numbers = [t for t in study.trials if t.state == WAITING and t.last_step], []
    while left and (best := study.pruner.choose(study, left)) is not None:
        numbers.append(best.number)
        left = [each for each in left if each.number != best.number]
    return numbers


def table(curves, direction="minimize"):
    curves = np.asarray(curves, float)
    return CurveTable(("x",), np.arange(len(curves), dtype=float)[:, None], curves, direction)


def train(curves, policy, n_workers=1, direction="minimize"):
    trials = RowTrials(table(curves, direction), np.arange(len(curves)))
    return replay(trials, policy, n_workers=n_workers)


def falling(levels, n=50):
    return np.asarray(levels)[:, None] + 1 / np.arange(1, n + 1)


def test_while_trials_are_still_to_begin_only_the_share_of_those_that_have_goes_on():
    waiting = [(WAITING, 3.0 + v, 2.0 + v) for v in np.random.default_rng(0).permutation(20)]
    study = make_study(LadderPruner(50), *waiting, n_new=1)
    by_value = np.argsort([values[-1] for _, *values in waiting]).tolist()
    assert chosen(study) == by_value[:7]  # 0.5 * 20 * (2 / 3)^0.85 = 7.08


def test_when_all_have_begun_some_leaders_go_on_at_least():
    waiting = [(WAITING, 3.0 + v, 2.0 + v) for v in range(8)]
    study = make_study(LadderPruner(50), *waiting)
    assert chosen(study) == [*range(7)]  # 1.25 * (1 + ceil(0.75 log2(50 / 3))) = 6.25
    study = make_study(LadderPruner(50), *waiting[:3])
    assert chosen(study) == [0, 1, 2]


def test_the_lowest_rung_is_filled_first():
    high = [(WAITING, 2.0, 1.0, 0.5)]
    low = [(WAITING, 3.0 + v, 2.0 + v) for v in range(3)]
    study = make_study(LadderPruner(50), *high, *low)
    assert chosen(study) == [1, 2, 3, 0]


def test_a_trial_goes_on_only_if_those_on_their_way_cannot_take_its_place():
    low = [(WAITING, 3.0 + v, 2.0 + v) for v in range(10)]
    running = [(RUNNING, 9.0)] * 3
    study = make_study(LadderPruner(50), *low, *running, n_new=1)
    assert chosen(study) == [0]  # 4 of 13 may, and 3 of them are still to come
    study = make_study(LadderPruner(50), *low, *running, *[(RUNNING, 9.0)] * 7, n_new=1)
    assert chosen(study) == []


def test_trials_that_have_just_begun_do_not_hold_up_those_at_high_rungs():
    high = [(WAITING, *np.linspace(3.0 + v, 2.0 + v, 8)) for v in range(4)]
    low = [(PRUNED, 9.0 + v, 8.0 + v) for v in range(60)]
    begun = [(RUNNING, 9.0)] * 8
    study = make_study(LadderPruner(50), *high, *low, *begun, n_new=1)
    assert chosen(study) == [0, 1, 2, 3]


def test_how_many_trials_are_to_come_changes_nothing():
    waiting = [(WAITING, 3.0 + v, 2.0 + v) for v in np.random.default_rng(0).permutation(20)]
    one, many = (make_study(LadderPruner(50), *waiting, n_new=n) for n in (1, 100))
    assert chosen(one) == chosen(many) != []


def test_a_stream_of_trials_gets_complete_ones_with_any_number_of_workers():
    levels = np.random.default_rng(0).permutation(400) / 20
    for n_workers in (1, 8, 16):
        trials = RowTrials(table(falling(levels)), np.arange(400))
        run = replay(trials, LadderPruner(50), n_workers=n_workers, budget=1500)
        assert run.spent.n_started < 400  # more are to come
        assert run.finished


def test_a_trial_that_would_go_on_at_once_does_not_pause():
    policy = LadderPruner(50)
    trials = [(WAITING, 3.0 + v, 2.0 + v) for v in range(5)]
    study = make_study(policy, *trials, (RUNNING, 2.0, 1.0), (RUNNING, 9.0, 8.5), n_new=1)
    assert decide(study, study.trials[5]) == Decision.GO_ON
    assert decide(study, study.trials[6]) == Decision.PAUSE
    between = make_study(policy, *trials, (RUNNING, 9.0, 8.5, 8.4, 8.3))
    assert decide(between, between.trials[5]) == Decision.GO_ON  # no rung
    full = make_study(policy, *trials, (RUNNING, *[9.0] * 50))
    assert decide(full, full.trials[5]) == Decision.GO_ON
    assert [s for s in range(1, 51) if policy.is_due(s - 1, s)] == [2, 3, 5, 8, 12, 18, 27]


def test_what_another_policy_has_paused_before_the_first_rung_goes_on_first():
    study = make_study(LadderPruner(200), *[(WAITING, 1.0, 1.0, 0.9, 0.8)] * 9, (WAITING, 5.0))
    assert chosen(study)[0] == 9


def test_a_trial_that_has_failed_or_diverged_has_no_place():
    low = [(WAITING, 3.0 + v, 2.0 + v) for v in range(4)]
    study = make_study(LadderPruner(50, 0.4), *low, (FAIL, 2.0, 1.0), n_new=1)
    assert chosen(study) == [0]
    stopped = create_trial(state=PRUNED, intermediate_values={1: 2.0, 2: 1.0}, value=None)
    study.add_trial(stopped)
    assert chosen(study) == [0]
    study = make_study(LadderPruner(50, 0.4), *low, (PRUNED, 2.0, 1.0), n_new=1)
    assert chosen(study) == []  # it was paused when an earlier command ended


def test_the_next_policy_decides_when_nobody_has_to_go_on():
    then = First()
    waiting = [(WAITING, 3.0 + v, 2.0 + v) for v in range(30)]
    study = make_study(LadderPruner(50, then=then), *waiting, n_new=1)
    assert len(chosen(study)) == 10
    assert then.n_asked == 0
    done = [(COMPLETE, *([0.5] * 50))] * 40
    study = make_study(LadderPruner(50, then=then), *waiting, *done)
    assert chosen(study)[0] == 0
    assert then.n_asked > 0
    assert chosen(make_study(LadderPruner(50), *waiting, *done)) == []


@pytest.mark.parametrize("n_workers", [1, 8])
def test_the_best_of_many_is_found_in_a_small_part_of_all_epochs(n_workers):
    levels = np.random.default_rng(0).permutation(80) / 20
    run = train(falling(levels), LadderPruner(50), n_workers)
    assert run.final == pytest.approx(1 / 50)
    assert len(run.finished) >= 2
    assert run.spent.epochs < 0.2 * 80 * 50


def test_an_accuracy_at_chance_for_some_epochs_keeps_everybody():
    bests = np.random.default_rng(1).random(40)
    epochs = np.arange(1, 41)
    curves = np.where(epochs < 6, 0.1, 0.2 + bests[:, None] - 0.5 / epochs)
    run = train(curves, LadderPruner(40), direction="maximize")
    assert min(run.lengths) > 5
    assert -run.final == curves[:, -1].max()
    assert run.spent.epochs < 0.4 * 40 * 40


def test_any_number_of_trials_ends_with_a_complete_one():
    for n in (1, 2, 3, 5):
        run = train(falling(range(n)), LadderPruner(50))
        assert len(run.finished) == min(n, 2)


def test_reports_that_jump_and_nan_are_taken_as_they_are():
    policy = LadderPruner(50)
    study = optuna.create_study(pruner=policy)
    for v in range(12):
        steps = {4: 3.0 + v, 9: math.nan if v == 0 else 2.0 + v}
        attrs = {PAUSED: 9}
        study.add_trial(
            create_trial(state=WAITING, value=None, intermediate_values=steps, system_attrs=attrs)
        )
    assert 0 not in chosen(study)
    assert chosen(study)[0] == 1


def test_a_copy_decides_the_same_from_the_study_alone():
    waiting = [(WAITING, 3.0 + v, 2.0 + v % 7) for v in range(20)]
    study = make_study(LadderPruner(50), *waiting)
    before = chosen(study)
    for other in (copy.deepcopy(study.pruner), pickle.loads(pickle.dumps(study.pruner))):
        study.pruner = other
        assert chosen(study) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1,), "max_resource must be >= 2, got 1"), ((9, 0.0), "share must be in .0, 1., got 0.0")],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LadderPruner(*arguments)
