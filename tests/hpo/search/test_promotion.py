import pytest
from optuna.trial import TrialState, create_trial

from hpo.search.promotion import PromotionPruner
from tests.hpo.search.waiting import trial


def test_a_trial_pauses_at_the_rungs_and_only_there(study):
    policy = PromotionPruner(min_resource=1, reduction_factor=3)
    empty = study()
    paused_after = [n for n in range(1, 28) if policy.pause(empty, trial(*([1.0] * n)))]
    assert paused_after == [1, 3, 9, 27]


def test_a_full_trial_does_not_pause_at_its_end(study):
    policy = PromotionPruner(1, max_resource=9)
    paused_after = [n for n in range(1, 10) if policy.pause(study(), trial(*([1.0] * n)))]
    assert paused_after == [1, 3]


def test_a_rung_between_two_reports_pauses_at_the_later_one(study):
    policy = PromotionPruner(min_resource=3, reduction_factor=3)
    reported = create_trial(
        state=TrialState.RUNNING, intermediate_values={2: 1.0, 4: 1.0}, value=None
    )
    assert policy.pause(study(), reported)


def test_the_best_third_of_a_rung_is_promoted_one_after_the_other(study):
    waiting = study(*[[v] for v in (5.0, 1.0, 4.0, 2.0, 3.0, 6.0)])
    policy = PromotionPruner(1, ranking="last")
    assert policy.choose(waiting, waiting.trials).number == 1
    others = [t for t in waiting.trials if t.number != 1]
    assert policy.choose(waiting, others).number == 3
    assert policy.choose(waiting, [t for t in others if t.number != 3]) is None


def test_large_is_good_when_the_study_maximizes(study):
    waiting = study([0.1], [0.9], [0.5], direction="maximize")
    assert PromotionPruner(1, ranking="last").choose(waiting, waiting.trials).number == 1


def test_the_highest_rung_comes_first(study):
    high = [[9.0, 9.0, float(v)] for v in (3, 1, 2)]
    waiting = study([0.1], [0.2], [0.3], *high)
    assert PromotionPruner(1, ranking="last").choose(waiting, waiting.trials).number == 4


def test_a_trial_that_would_be_promoted_at_once_does_not_pause(study):
    policy, waiting = PromotionPruner(1, ranking="last"), study([2.0], [3.0], [1.0])
    assert not policy.pause(waiting, waiting.trials[2])
    assert policy.pause(waiting, waiting.trials[0])


def test_no_trial_ends_for_good(study):
    assert not PromotionPruner().ends(study(), trial(1.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_resource": 0}, "min_resource must be >= 1"),
        ({"reduction_factor": 1}, ">= 2, got 1"),
        ({"min_resource": 3, "max_resource": 2}, "max_resource must be >= 3, got 2"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PromotionPruner(**arguments)


def test_by_default_trials_pause_at_the_rungs_of_a_slow_ladder(study):
    policy, empty = PromotionPruner(max_resource=20), study()
    paused_after = [n for n in range(1, 21) if policy.pause(empty, trial(*([1.0] * n)))]
    assert paused_after == [2, 3, 5, 8, 12]
    unknown = PromotionPruner()
    assert [step for step in range(1, 20) if unknown.is_due(step - 1, step)] == [
        2,
        3,
        5,
        8,
        12,
        18,
    ]


def test_by_default_the_share_that_is_promoted_falls_slowly(study):
    policy = PromotionPruner(max_resource=20)
    waiting = study(*[[9.0 + i, 8.0 + i] for i in range(10)])
    promoted, left = [], [*waiting.trials]
    while (best := policy.choose(waiting, left)) is not None:
        promoted.append(best.number)
        left = [each for each in left if each.number != best.number]
    assert promoted == [0, 1, 2, 3]  # 0.7 * 10 * (2 / 3)^0.85 = 4.96
