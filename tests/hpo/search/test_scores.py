import math

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial

from hpo.search.scores import as_complete, is_known, scores, teaches


def curve(*values, state=TrialState.PRUNED, steps=None):
    complete = state == TrialState.COMPLETE
    return create_trial(
        state=state,
        value=values[-1] if complete else None,
        intermediate_values=dict(zip(steps or range(1, len(values) + 1), values, strict=True)),
    )


def complete(*values):
    return curve(*values, state=TrialState.COMPLETE)


def numbered(*trials):
    for number, trial in enumerate(trials):
        trial.number = number
    return [*trials]


def by_pairs(trials, sign):
    """The rank of each trial, one pair after the other."""

    def value(trial, step):
        if math.isinf(step):
            return trial.value
        later = [s for s in trial.intermediate_values if s >= step]
        return trial.intermediate_values[min(later)] if later else None

    lasts = [math.inf if t.values else max(t.intermediate_values) for t in trials]
    ranks = []
    for own, last in zip(trials, lasts, strict=True):
        rank = 0.0
        for other, end in zip(trials, lasts, strict=True):
            mine, its = (value(trial, min(last, end)) for trial in (own, other))
            even = mine is None or its is None or mine == its
            rank += 0.5 if even else sign * its < sign * mine
        ranks.append(rank)
    return ranks


def test_scores_of_complete_trials_follow_their_values():
    got = scores([complete(9.0, v) for v in (3.0, 1.0, 2.0)], 1)
    np.testing.assert_allclose(got, [0.967422, -0.967422, 0], atol=1e-6)
    np.testing.assert_allclose(
        scores([complete(9.0, v) for v in (3.0, 1.0, 2.0)], -1), -got, atol=1e-12
    )


def test_a_pruned_trial_is_compared_where_it_stopped():
    # The first beats all; the second one is complete and bad: it loses to the third at epoch 1.
    trials = [complete(5.0, 1.0), complete(9.0, 8.0), curve(7.0)]
    assert np.argsort(scores(trials, 1)).tolist() == [0, 2, 1]


def test_equal_trials_and_those_without_a_common_step_are_even():
    assert scores([curve(1.0), curve(1.0)], 1).tolist() == [0, 0]
    assert scores([create_trial(value=3.0), curve(1.0)], 1).tolist() == [0, 0]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_that_is_no_number_is_worse_than_any(sign):
    got = scores([curve(1.0), curve(math.nan), curve(-sign * 1e300)], sign)
    assert np.argsort(got)[-1] == 1
    assert got[1] > got.min()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_ranks_are_those_of_all_pairs(sign):
    random, trials = np.random.default_rng(0), []
    for _ in range(60):
        n = int(random.integers(1, 9))
        values = random.integers(0, 6, n).astype(float)  # with ties
        steps = np.sort(random.choice(np.arange(1, 20), n, replace=False)).tolist()
        state = TrialState.COMPLETE if random.random() < 0.3 else TrialState.PRUNED
        trials.append(curve(*values, state=state, steps=steps))
    ranks = by_pairs(trials, sign)
    got = scores(trials, sign)
    assert np.argsort(got, kind="stable").tolist() == np.argsort(ranks, kind="stable").tolist()
    assert len(set(np.round(got, 9))) == len(set(ranks))


def test_what_teaches_is_known_or_was_pruned_without_a_report():
    states = (TrialState.FAIL, TrialState.WAITING, TrialState.RUNNING, TrialState.PRUNED)
    assert [is_known(curve(1.0, state=state)) for state in states] == [False, True, True, True]
    assert [teaches(create_trial(state=state)) for state in states] == [False, False, False, True]


@pytest.mark.parametrize("sign", [1, -1])
def test_paused_pruned_and_running_trials_are_shown_as_complete_ones(sign):
    running = curve(1.0 * sign, state=TrialState.RUNNING)
    paused = curve(3.0 * sign, 1.5 * sign, state=TrialState.WAITING)
    new, failed = create_trial(state=TrialState.RUNNING), create_trial(state=TrialState.FAIL)
    trials = numbered(complete(4.0 * sign, 2.0 * sign), running, new, paused, failed)
    shown = as_complete(trials, sign)
    assert shown[2] is new
    assert shown[4] is failed
    values = [sign * shown[i].value for i in (1, 3, 0)]  # the best first
    assert values == sorted(values)
    assert len(set(values)) == 3
    assert {shown[i].state for i in (0, 1, 3)} == {TrialState.COMPLETE}
    assert running.state == TrialState.RUNNING  # a copy was changed


def test_complete_trials_alone_keep_their_values():
    trials = numbered(complete(1.0, 2.0), complete(3.0), create_trial(state=TrialState.RUNNING))
    assert as_complete(trials, 1) == trials
