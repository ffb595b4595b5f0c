import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import PAUSED
from hpo.reporting.rungs import Lengths, Rung, rungs_of


def test_rungs_are_where_trials_were_stopped_and_count_those_that_reached_them(study):
    assert rungs_of(study.trials, 1) == [Rung(1, 5, 1, 4.0), Rung(3, 3, 1, 2.0)]


def test_the_best_of_a_study_that_maximizes_is_the_largest(study):
    assert [rung.best for rung in rungs_of(study.trials, -1)] == [900.0, 8.0 - 1.0]


def test_a_running_trial_counts_where_it_has_been(study):
    study.enqueue_trial({"x": 0.1})
    trial = study.ask()
    for step, value in ((1, 0.5), (2, 0.4)):
        trial.report(value, step)
    assert rungs_of(study.trials, 1) == [Rung(1, 6, 1, 0.5), Rung(3, 3, 1, 2.0)]


def test_a_paused_trial_makes_a_rung():
    paused = create_trial(
        state=TrialState.WAITING, intermediate_values={4: 0.7}, system_attrs={PAUSED: 4}
    )
    assert rungs_of([paused], 1) == [Rung(4, 1, 1, 0.7)]


def test_steps_at_which_hardly_a_trial_was_stopped_are_no_rungs(add):
    study = optuna.create_study()
    for epochs in [4] * 30 + [7]:
        add(study, TrialState.PRUNED, [1.0] * epochs)
    assert [rung.step for rung in rungs_of(study.trials, 1)] == [4]


def test_a_finished_trial_is_counted_once(study):
    lengths = Lengths()
    lengths.add(study.trials)
    lengths.add(study.trials)
    assert lengths.ends == {4: 2, 1: 2, 3: 1}
    assert (lengths.epochs, lengths.seconds, lengths.has_complete) == (
        14,
        50.0,
        True,
    )  # one epoch diverged


def test_a_trial_stands_by_the_share_that_was_better_at_its_step(study):
    lengths = Lengths()
    lengths.add(study.trials)
    early, late, new = (create_trial(state=TrialState.FAIL) for _ in range(3))
    early.intermediate_values = {1: 5.0}
    late.intermediate_values = {3: 6.0}
    assert sorted([early, late], key=lengths.standing) == [early, late]
    late.intermediate_values = {3: 1.9}
    assert sorted([early, late, new], key=lengths.standing) == [late, early, new]
    assert lengths.standing(early)[0] == pytest.approx(2 / 6)  # 4 and 4 of 4, 4, 9, 9, 900


def test_the_time_of_an_epoch_counts_no_epochs_of_a_parent(lineage):
    lengths = Lengths()
    lengths.add(lineage.trials)
    assert (lengths.epochs, lengths.seconds) == (17, 170)
