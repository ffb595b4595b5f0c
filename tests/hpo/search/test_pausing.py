from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import qsvr
from commons.asha import AshaPruner
from hpo.attributes import PAUSED
from hpo.search.freeze_thaw import FreezeThawPruner
from hpo.search.ladder import LadderPruner
from hpo.search.pausing import (
    Decision,
    PausedTrials,
    choose_last,
    choose_paused,
    decide,
    is_due,
    is_paused,
    may_begin,
)
from hpo.search.promotion import PromotionPruner
from tests.hpo.search.waiting import trial


def test_the_pruner_of_the_study_decides_to_pause_to_prune_or_to_go_on(study):
    made = study()
    made.pruner = PromotionPruner(1, ranking="last")
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

    studies = [
        optuna.create_study(pruner=pruner)
        for pruner in (None, PromotionPruner(1, ranking="last"), Full())
    ]
    assert [may_begin(study) for study in studies] == [True, True, False]


def test_a_trial_counts_as_paused_at_its_last_step_only():
    waiting = trial(0.5, 0.4)
    assert not is_paused(waiting)
    waiting.system_attrs = {PAUSED: 2}
    assert is_paused(waiting)
    waiting.intermediate_values[3] = 0.3
    assert not is_paused(waiting)


class Each(PromotionPruner):
    def is_due(self, before, step):
        return super(PromotionPruner, self).is_due(before, step)


@pytest.mark.parametrize(
    ("pruner", "due"),
    [
        (AshaPruner(2, 3), {2, 6}),
        (PromotionPruner(2, 3), {2, 6}),
        (FreezeThawPruner(qsvr.Forecaster(10, decision_epochs=[3, 7])), {3, 7}),
        (
            FreezeThawPruner(qsvr.Forecaster(10, decision_epochs=[3, 7]), max_epochs=99),
            {*range(1, 10)},
        ),
        (optuna.pruners.NopPruner(), set()),
        (optuna.pruners.MedianPruner(), {*range(1, 10)}),
        (Each(), {*range(1, 10)}),
    ],
)
def test_a_pruner_says_after_which_steps_it_decides(study, pruner, due):
    assert {step for step in range(1, 10) if is_due(pruner, step - 1, step)} == due
    made = study(*[[0.0] * n for n in range(10)])
    made.pruner = pruner
    for step in set(range(1, 10)) - due:  # the other trials are better: a decision would stop it
        assert decide(made, trial(*[9.0] * step, state=TrialState.RUNNING)) is Decision.GO_ON


def test_a_report_that_jumps_over_a_rung_or_goes_back_is_decided_about():
    assert is_due(AshaPruner(2, 3), before=3, step=9)
    assert is_due(AshaPruner(2, 3), before=9, step=7)


def test_paused_trials_are_a_sequence_that_finds_each_by_its_number():
    study = optuna.create_study()
    for _ in range(5):
        study.ask()
    trials = study.trials
    some = PausedTrials([trials[3], trials[1]])
    assert [trial.number for trial in some] == [1, 3]
    some.add(trials[2])
    assert [trial.number for trial in some] == [1, 2, 3]
    assert (some[0].number, some[-1].number, len(some)) == (1, 3, 3)
    assert some[1:] == trials[2:4]
    assert some.get(2) is trials[2]
    assert some.get(4) is None
    some.remove(1)
    assert [trial.number for trial in some] == [2, 3]
    assert trials[1] not in some
    assert not PausedTrials()


@pytest.mark.parametrize(
    "pruner",
    [PromotionPruner(), LadderPruner(9), FreezeThawPruner(SimpleNamespace(epochs=(1, 9)))],
)
def test_in_plain_optuna_a_pruner_that_pauses_says_what_runs_it(pruner):
    def objective(trial):
        trial.report(1.0, 1)
        return float(trial.should_prune())

    study = optuna.create_study(pruner=pruner)
    told = f"{type(pruner).__name__} pauses trials, which .* cannot: use hpo.optimize"
    with pytest.raises(RuntimeError, match=told):
        study.optimize(objective, n_trials=1)
