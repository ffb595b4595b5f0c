import numpy as np
import pytest

from benchmarks.reproduce.policies.draws import make_draws, measure
from benchmarks.reproduce.policies.found import (
    Climber,
    at_most,
    find,
    find_all,
    halves,
    random_ladders,
)
from benchmarks.reproduce.policies.problems import made_up
from hpo.simulate.draws import Variant
from hpo.simulate.synchronous import climb


@pytest.fixture(scope="module")
def draws():
    return make_draws(made_up()[1].table, range(40), Variant())


def test_all_draws_at_once_are_climbed_as_one_after_the_other(draws):
    losses = draws.losses.copy()
    losses[:, 3, 5:] = losses[1, :, 9:] = np.inf  # some diverge, in one draw all
    for ladder in random_ladders(22, 12, 50):
        epochs, finals = Climber(losses).climb(ladder)
        runs = [climb(pool, ladder) for pool in losses]
        assert epochs.tolist() == [run.spent.epochs for run in runs]
        assert finals.tolist() == [run.final for run in runs]


def test_ladders_ascend_in_epochs_descend_in_numbers_and_are_repeated():
    ladders = random_ladders(50, 100, 300)
    assert ladders == random_ladders(50, 100, 300)
    for ladder in ladders:
        assert list(ladder) == sorted(set(ladder))
        assert [*ladder.values()] == sorted(ladder.values(), reverse=True)
        assert min(ladder) >= 1
        assert max(ladder) <= 80
        assert 1 <= min(ladder.values()) <= max(ladder.values()) <= 50
    assert len({tuple(ladder) for ladder in ladders}) > 100


def test_a_ladder_is_chosen_on_one_half_and_scored_on_the_other(draws):
    front = find(draws, 0.01, 200)
    here, there = halves(40)
    assert sorted([*here, *there]) == list(range(40))
    assert [found.epochs for found in front] == sorted(found.epochs for found in front)
    for ladder in random_ladders(22, 12, 200):
        epochs, finals = Climber(draws.losses).climb(ladder)
        rival = measure(draws.take(here), 0.01, epochs[here], finals[here])
        chosen = at_most(front, epochs.mean())
        best = Climber(draws.losses).climb(chosen.ladder)
        tuned = measure(draws.take(here), 0.01, best[0][here], best[1][here])
        assert (tuned.p, -tuned.mean_gap) >= (rival.p, -rival.mean_gap)
        scored = measure(draws.take(there), 0.01, best[0][there], best[1][there])
        assert chosen.scored.close.tolist() == scored.close.tolist()
    assert at_most(front, front[0].epochs - 1) is None


def test_tables_are_searched_in_processes(draws):
    fronts = find_all({"a": draws, "b": draws}, {"a": 0.01, "b": 0.5}, 30, n_jobs=2)
    assert [f.ladder for f in fronts["a"]] == [f.ladder for f in find(draws, 0.01, 30)]
    assert fronts["b"][-1].scored.p == 1
