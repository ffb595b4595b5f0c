import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import LEASE, PARENT
from hpo.search.pausing import limits_beginnings
from hpo.search.pbt import PopulationPruner

RUNNING, WAITING, PRUNED, FAIL = (
    TrialState.RUNNING,
    TrialState.WAITING,
    TrialState.PRUNED,
    TrialState.FAIL,
)


def member(*values, state=RUNNING, first=1, parent=None, x=0.5):
    """A trial that a worker has had."""
    reported = dict(enumerate(values, first))
    done = state == TrialState.COMPLETE
    return create_trial(
        state=state,
        value=values[-1] if done else None,
        params={"x": x},
        distributions={"x": FloatDistribution(0, 1)},
        intermediate_values=reported,
        system_attrs={LEASE: {"id": "i"}}
        | ({PARENT: {"trial": parent, "step": first - 1}} if parent is not None else {}),
    )


def new():
    return create_trial(state=WAITING, value=None)


def study(*trials, n_new=4, direction="minimize"):
    made = optuna.create_study(direction=direction)
    made.add_trials([*trials, *(new() for _ in range(n_new))])
    return made


def policy(**options):
    return PopulationPruner(**{"population": 4, "interval": 2, **options})


def decision(made, number, **options):
    pruner, trial = policy(**options), made.trials[number]
    return pruner.pause(made, trial), pruner.ends(made, trial)


GOES_ON, PAUSES, IS_REPLACED = (False, False), (True, False), (False, True)


def test_the_worst_quarter_is_replaced_and_the_others_go_on():
    made = study(*(member(9.0, value) for value in (3.0, 1.0, 4.0, 2.0)))
    assert [decision(made, n) for n in range(4)] == [GOES_ON, GOES_ON, IS_REPLACED, GOES_ON]


def test_large_is_good_when_the_study_maximizes():
    made = study(*(member(9.0, v) for v in (3.0, 1.0, 4.0, 2.0)), direction="maximize")
    assert [decision(made, n)[1] for n in range(4)] == [False, True, False, False]


def test_trials_are_compared_only_at_whole_intervals():
    made = study(*(member(9.0, 1.0, v) for v in (3.0, 1.0, 4.0, 2.0)))
    assert [decision(made, n) for n in range(4)] == [GOES_ON] * 4
    coarse = study(
        *(
            create_trial(state=RUNNING, value=None, intermediate_values={1: 9.0, 3: v})
            for v in (3.0, 1.0, 4.0, 2.0)
        )
    )
    assert decision(coarse, 2) == IS_REPLACED


def test_a_full_training_is_not_compared_at_its_end():
    made = study(*(member(9.0, value) for value in (3.0, 1.0, 4.0, 2.0)))
    assert decision(made, 2, max_resource=2) == GOES_ON
    assert decision(made, 2, max_resource=4) == IS_REPLACED


def test_two_trials_are_compared_at_the_latest_step_of_both():
    # Number 0 is ahead and has the best last value, but at step 2 it was the worst.
    made = study(member(9.0, 5.0, 0.9, 0.8), *(member(9.0, value) for value in (3.0, 1.0, 4.0)))
    assert decision(made, 0) == IS_REPLACED


def test_of_equal_trials_the_last_one_is_replaced():
    made = study(*(member(9.0, 1.0) for _ in range(4)))
    assert [decision(made, n) for n in range(4)] == [GOES_ON] * 3 + [IS_REPLACED]


def test_few_trials_are_no_population_yet():
    made = study(member(9.0, 4.0), member(9.0, 1.0), member(9.0), member())
    assert decision(made, 0) == GOES_ON


def test_of_one_generation_no_more_than_the_quantile_is_replaced():
    # Number 2 has been replaced at this step; number 0, now the worst member, stays.
    values = (3.0, 1.0, 4.0, 2.0)
    made = study(*(member(9.0, v, state=PRUNED if v == 4 else RUNNING) for v in values))
    assert decision(made, 0) == GOES_ON
    child = study(
        *(member(9.0, v, state=PRUNED if v == 4 else RUNNING) for v in values),
        member(first=3, parent=1),
    )
    assert decision(child, 0) == GOES_ON
    later = study(
        *(member(9.0, v, state=PRUNED) if v == 4 else member(9.0, v, 9.0, v) for v in values),
        member(9.0, 1.5, first=3, parent=1),
    )
    assert decision(later, 0) == IS_REPLACED


def test_without_a_trial_left_for_the_replacement_nothing_is_replaced():
    made = study(*(member(9.0, value) for value in (3.0, 1.0, 4.0, 2.0)), n_new=0)
    assert decision(made, 2) == GOES_ON


def test_the_last_new_trial_is_kept_for_the_member_that_has_failed():
    values = (3.0, 1.0, 4.0, 2.0)
    made = study(*(member(9.0, v) for v in values), member(9.0, state=FAIL), n_new=2)
    assert decision(made, 2, population=5) == IS_REPLACED
    made = study(*(member(9.0, v) for v in values), member(9.0, state=FAIL), n_new=1)
    assert decision(made, 2, population=5) == GOES_ON


def test_nobody_is_replaced_when_all_better_ones_are_complete():
    done = [member(9.0, v, state=TrialState.COMPLETE) for v in (3.0, 1.0, 2.0)]
    made = study(*done, member(9.0, 4.0))
    assert decision(made, 3) == GOES_ON
    assert decision(study(*done[:2], member(9.0, 2.0), member(9.0, 4.0)), 3) == IS_REPLACED


def test_a_child_is_compared_with_its_parents_value_until_it_has_its_own():
    # Number 4, a child of the best, is not the worst, and counts as good for the others.
    others = [member(9.0, v) for v in (3.0, 1.0, 2.5)]
    made = study(*others, member(9.0, 4.0, state=PRUNED), member(8.0, first=3, parent=1))
    assert decision(made, 4, interval=1) == GOES_ON
    assert decision(made, 0, interval=2) == GOES_ON


def test_the_first_decision_about_a_child_is_a_whole_interval_after_its_beginning():
    others = [member(9.0, v, 9.0, v) for v in (3.0, 1.0, 2.0)]
    assert decision(study(*others, member(9.0, first=3, parent=1)), 3) == GOES_ON
    assert decision(study(*others, member(9.0, 9.0, first=3, parent=1)), 3) == IS_REPLACED


def test_a_child_is_not_judged_by_what_its_parent_has_done():
    # At step 2, the latest that others have reached, it would be the last of equal ones.
    made = study(*(member(9.0, 1.0) for _ in range(3)), member(1.0, 1.0, first=3, parent=1))
    assert decision(made, 3) == GOES_ON
    ahead = study(*(member(9.0, 1.0, 1.0) for _ in range(3)), member(1.0, 1.0, first=3, parent=1))
    assert decision(ahead, 3) == IS_REPLACED


def test_a_member_pauses_while_others_wait_behind_it():
    behind = member(9.0, 1.0, state=WAITING)
    made = study(member(9.0, 2.0, 2.0, 2.0), behind, member(9.0, 2.0), member(9.0, 3.0))
    assert decision(made, 0) == PAUSES
    level = study(member(9.0, 2.0), behind, member(9.0, 3.0), member(9.0, 2.0))
    assert decision(level, 0) == GOES_ON


def test_the_first_members_begin_before_any_goes_on():
    assert decision(study(member(9.0, 2.0), n_new=5), 0) == PAUSES
    assert decision(study(member(9.0, 2.0), n_new=0), 0) == GOES_ON


def test_the_paused_member_with_the_fewest_steps_goes_on_and_of_equal_ones_the_best():
    paused = [member(9.0, v, state=WAITING) for v in (3.0, 1.0, 2.0)]
    made = study(member(9.0, 0.5, 9.0, 0.1, state=WAITING), *paused)
    assert policy().choose(made, made.trials[:4]).number == 2
    assert policy().choose(made, [made.trials[n] for n in (0, 1, 3)]).number == 3


def test_a_free_place_comes_before_paused_members():
    made = study(*(member(9.0, 2.0, state=WAITING) for _ in range(3)), n_new=1)
    assert policy().choose(made, made.trials[:3]) is None
    assert policy().may_begin(made)
    full = study(*(member(9.0, 2.0, state=WAITING) for _ in range(4)), n_new=1)
    assert policy().choose(full, full.trials[:4]).number == 0
    assert not policy().may_begin(full)


def test_trials_that_ended_badly_leave_a_place_and_complete_ones_do_not():
    train = [member(9.0, 2.0)] * 3
    for state, room in ((PRUNED, True), (FAIL, True), (TrialState.COMPLETE, False)):
        assert policy().may_begin(study(*train, member(9.0, 2.0, state=state))) is room


def test_a_place_stays_free_when_nobody_is_left_to_copy():
    done = [member(9.0, 2.0, state=TrialState.COMPLETE)] * 3
    assert not policy().may_begin(study(*done, member(9.0, state=FAIL)))
    assert policy().may_begin(study(*done[:2], member(9.0, 2.0), member(9.0, state=FAIL)))


def test_new_trials_begin_one_by_one():
    assert limits_beginnings(policy())
    assert not limits_beginnings(optuna.pruners.NopPruner())


def test_the_first_trials_have_no_parent_and_replacements_one_of_the_best():
    members = [member(9.0, v, x=v / 10) for v in (3.0, 1.0, 2.0)]
    made = study(*members)
    assert policy().origin(made, made.trials[3]) is None
    made = study(*members, member(9.0, 4.0, state=PRUNED))
    origin = policy(resample=0).origin(made, made.trials[4])
    assert (origin.parent, origin.step) == (1, 2)
    assert origin.params["x"] in (pytest.approx(0.08), pytest.approx(0.12))


def test_parents_are_drawn_from_the_best_quantile_by_the_number_of_the_trial():
    members = [member(9.0, float(v)) for v in range(8)]
    made = study(*members, n_new=40)
    pruner = policy(population=8)
    drawn = [pruner.origin(made, made.trials[n]) for n in range(8, 48)]
    assert {each.parent for each in drawn} == {0, 1}
    assert drawn == [policy(population=8).origin(made, made.trials[n]) for n in range(8, 48)]
    assert len({each.params["x"] for each in drawn}) > 5
    assert drawn != [policy(population=8, seed=1).origin(made, t) for t in made.trials[8:]]


def test_one_that_has_written_no_checkpoint_is_no_parent():
    others = [member(9.0, v) for v in (3.0, 2.0)]
    made = study(*others, member(first=3, parent=1), member(9.0, 4.0, state=PRUNED))
    assert policy().origin(made, made.trials[4]).parent == 1
    nobody = study(*(member() for _ in range(3)), member(9.0, state=FAIL))
    assert policy().origin(nobody, nobody.trials[4]) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 1}, "population must be >= 2, got 1"),
        ({"interval": 0}, "interval must be >= 1, got 0"),
        ({"quantile": 0.6}, r"quantile must be in \(0, 0.5\], got 0.6"),
        ({"quantile": 0.2}, "quantile=0.2 of population=4 is less than one trial: at least 0.25"),
        ({"max_resource": 1}, "max_resource must be >= interval=2, got 1"),
        ({"explore": "guess"}, "explore must be perturb or bandit, got 'guess'"),
        ({"resample": 1.5}, r"resample must be in \[0, 1\], got 1.5"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        policy(**options)
