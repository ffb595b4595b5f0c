import numpy as np
import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from hpo.search.promotion import PromotionPruner
from hpo.simulate.study import SimulatedStudy
from hpo.simulate.trials import RowTrials
from hpo.study.life import Outcome


@pytest.fixture
def study(table):
    def make(pruner, *finals, n_epochs=4):
        curves = table([[final] * n_epochs for final in finals])
        trials = RowTrials(curves, np.arange(len(finals)))
        return SimulatedStudy(trials, pruner, lambda: 1.0)

    return make


def pause(study):
    training = study.next_new(9)
    outcome = study.report(training)
    assert outcome.state == TrialState.WAITING
    study.end(training, outcome)


def test_interrupted_trials_come_first_and_in_the_order_of_their_numbers(study):
    study = study(NopPruner(), 1, 2, 3)
    trainings = [study.next_new(9) for _ in range(3)]
    assert study.n_running == 3
    for training in reversed(trainings):
        study.interrupt(training)
    assert study.n_running == 0
    assert [study.next_waiting().number for _ in range(3)] == [0, 1, 2]
    assert study.next_waiting() is None


def test_a_trial_goes_on_at_the_epoch_after_the_last_reported_one(study):
    study = study(NopPruner(), 7)
    training = study.next_new(9)
    assert [study.report(training), study.report(training)] == [None, None]
    study.interrupt(training)
    again = study.next_waiting()
    assert study.report(again) is None
    assert study.report(again) == Outcome(TrialState.COMPLETE, values=(7.0,))
    assert study.lengths == (4,)


def test_the_policy_chooses_among_paused_trials(study):
    study = study(PromotionPruner(1, ranking="last", max_resource=4), 3, 1, 2, 4)
    pause(study)  # 0, with nothing to compare with
    first = study.next_new(9)
    study.end(first, study.report(first))
    pause(study)
    assert study.next_waiting().number == 1  # the best of three
    assert study.next_waiting() is None


def test_no_more_trials_begin_than_the_limit(study):
    study = study(NopPruner(), 1, 2, 3)
    assert [study.next_new(2).number for _ in range(2)] == [0, 1]
    assert study.next_new(2) is None
    assert study.next_new(3).number == 2
    assert study.next_new(9) is None


def test_when_nothing_is_complete_the_furthest_trial_goes_on_at_the_end(study):
    study = study(PromotionPruner(1, ranking="last", max_resource=4), 3, 1)
    pause(study)
    pause(study)
    last = study.wind_up()
    assert last.number == 1
    while (outcome := study.report(last)) is None:
        pass
    while outcome.state == TrialState.WAITING:
        study.end(last, outcome)
        last = study.wind_up()
        while (outcome := study.report(last)) is None:
            pass
    study.end(last, outcome)
    assert outcome.values == (1,)
    assert study.wind_up() is None  # the other one is pruned
    assert study.next_waiting() is None
    assert study.lengths == (1, 4)
