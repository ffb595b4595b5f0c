import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import PAUSED
from hpo.search.pausing import (
    Decision,
    choose_last,
    choose_paused,
    decide,
    is_paused,
    may_begin,
)
from hpo.search.promotion import PromotionPruner
from tests.hpo.search.waiting import trial


def test_the_pruner_of_the_study_decides_to_pause_to_prune_or_to_go_on(study):
    made = study()
    made.pruner = PromotionPruner()
    assert decide(made, trial(1.0)) is Decision.PAUSE
    assert decide(made, trial(1.0, 1.0)) is Decision.GO_ON
    made.pruner = optuna.pruners.ThresholdPruner(upper=0.5)
    assert decide(made, trial(1.0)) is Decision.PRUNE


def test_a_pruner_that_knows_no_pause_resumes_the_first_trial(study):
    waiting = study([2.0], [1.0])
    waiting.pruner = optuna.pruners.NopPruner()
    assert choose_paused(waiting, waiting.trials).number == 0


@pytest.mark.parametrize(("direction", "last"), [("minimize", 2), ("maximize", 1)])
def test_without_a_result_the_best_of_the_furthest_runs_to_its_end(study, direction, last):
    waiting = study([0.0], [3.0, 2.0], [3.0, 1.0], direction=direction)
    assert choose_last(waiting, waiting.trials).number == last
    complete = create_trial(state=TrialState.COMPLETE, value=9.0)
    assert choose_last(waiting, [*waiting.trials, complete]) is None
    assert choose_last(waiting, []) is None


def test_only_a_pruner_that_pauses_can_keep_new_trials_from_beginning():
    class Full(PromotionPruner):
        def may_begin(self, study):
            return False

    studies = [optuna.create_study(pruner=pruner) for pruner in (None, PromotionPruner(), Full())]
    assert [may_begin(study) for study in studies] == [True, True, False]


def test_a_trial_counts_as_paused_at_its_last_step_only():
    waiting = trial(0.5, 0.4)
    assert not is_paused(waiting)
    waiting.system_attrs = {PAUSED: 2}
    assert is_paused(waiting)
    waiting.intermediate_values[3] = 0.3
    assert not is_paused(waiting)
