import pytest
from optuna.trial import TrialState, create_trial

from hpo.reporting.outlook import Outlook, Survival, outlook
from hpo.reporting.rungs import Lengths


@pytest.mark.parametrize(
    ("step", "left"), [(0, 14), (4, 20), (5, 19), (11, 13), (12, 24), (35, 1), (36, 0), (99, 0)]
)
def test_trials_that_have_ended_tell_how_long_another_one_runs(step, left):
    survival = Survival({4: 2, 12: 1, 36: 1}, [])
    assert survival.epochs_left(step) == pytest.approx(left)


def test_trials_that_still_run_are_not_taken_for_short_ones():
    ended_early = {4: 8, 36: 1}
    alone = Survival(ended_early, []).epochs_left(0)
    assert Survival(ended_early, [20] * 9).epochs_left(0) > 2 * alone


def finished(study, add, *epochs):
    for n in epochs:
        add(study, TrialState.COMPLETE, [1.0] * n, seconds=2.0 * n)
    lengths = Lengths()
    lengths.add(study.trials)
    return lengths


@pytest.fixture
def empty():
    import optuna

    return optuna.create_study()


def test_the_work_is_shared_by_the_workers(empty, add):
    lengths = finished(empty, add, 10, 10)
    assert outlook(lengths, [0, 5], [], 10) == Outlook((10 + 5 + 100) / 2 * 2.0, False)


def test_no_number_of_workers_makes_one_trial_shorter(empty, add):
    lengths = finished(empty, add, 10)
    assert outlook(lengths, [9] * 99 + [2], [], 0) == Outlook(8 * 2.0, False)


def test_without_a_complete_trial_it_is_a_lower_bound(empty, add):
    add(empty, TrialState.PRUNED, [1.0] * 4, seconds=8.0)
    lengths = Lengths()
    lengths.add(empty.trials)
    assert outlook(lengths, [1], [], 3) == Outlook((3 + 3 * 4) * 2.0, True)


def test_before_a_trial_has_ended_or_when_none_runs_nothing_is_promised(empty, add):
    assert outlook(Lengths(), [3], [], 3) is None
    assert outlook(finished(empty, add, 10), [], [], 3) is None


def paused(step, seconds):
    reported, marks = {step: 1.0}, {"seconds": seconds}
    return create_trial(state=TrialState.WAITING, intermediate_values=reported, user_attrs=marks)


def test_paused_trials_count_as_ended_where_they_are(empty, add):
    lengths = finished(empty, add, 20)
    waiting = [paused(5, 10.0)] * 3
    # One of four trials goes beyond step 5; all were as fast.
    assert outlook(lengths, [13], waiting, 0) == Outlook(7 * 2.0, False)
    new = outlook(lengths, [20], waiting, 8)
    assert new.left_s == pytest.approx(8 * (5 + 15 * (2 / 5)) * 2.0)


def test_the_time_that_paused_trials_took_tells_how_long_an_epoch_is(empty, add):
    lengths = finished(empty, add, 20)
    assert outlook(lengths, [10], [paused(20, 80.0)], 0).left_s == 10 * (40 + 80) / 40


def test_while_trials_are_paused_and_none_is_complete_nothing_is_promised(empty, add):
    add(empty, TrialState.PRUNED, [1.0] * 4, seconds=8.0)
    lengths = Lengths()
    lengths.add(empty.trials)
    assert outlook(lengths, [1], [paused(2, 4.0)], 3) is None
