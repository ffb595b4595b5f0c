import numpy as np
import pytest

from hpo.simulate.synchronous import (
    bracket_sizes,
    hyperband,
    pool_sizes,
    random_search,
    successive_halving,
)


@pytest.fixture
def losses():
    """Makes a pool in which configurations keep their random rank."""

    def make(n, n_epochs):
        ranks = np.random.default_rng(0).permutation(n)
        return ranks[:, None] + np.linspace(1, 0.5, n_epochs)

    return make


@pytest.mark.parametrize(
    ("method", "epochs"),
    [
        (hyperband, 3213),
        (random_search, 16300),
        (successive_halving, 1066),
    ],
)
def test_a_pool_of_163_takes_the_published_epochs(losses, method, epochs):
    run = method(losses(163, 100))
    assert run.spent.epochs == epochs == sum(run.lengths)
    assert run.spent.n_started == 163
    assert run.final == 0.5


def test_hyperband_over_twelve_epochs_counted_by_hand(losses):
    assert bracket_sizes(12) == [8, 6, 4, 4]
    # 8 at 2, 4 at 3, 2 at 6, 1 at 12; 6 at 3, 3 at 6, 1 at 12; 4 at 6, 2 at 12; 4 at 12.
    run = hyperband(losses(22, 12))
    assert run.spent.epochs == (16 + 4 + 6 + 6) + (18 + 9 + 6) + (24 + 12) + 48
    assert run.spent.n_resumed == (4 + 2 + 1) + (3 + 1) + 2
    assert len(run.finished) == 1 + 1 + 2 + 4


def test_a_small_table_gets_smaller_brackets():
    assert pool_sizes(22, 12) == [8, 6, 4, 4]
    assert pool_sizes(163, 100) == bracket_sizes(100)
    assert pool_sizes(326, 100) == [129, 77, 46, 28, 19, 13, 14]
    assert [sum(pool_sizes(n, 12)) for n in range(4, 60)] == [*range(4, 60)]
    with pytest.raises(ValueError, match="3 trainings are too few: Hyperband has 4 brackets"):
        pool_sizes(3, 12)


def test_successive_halving_by_hand():
    pool = np.array([[3, 3, 3], [1, 2, 9], [2, 1, 4], [5, 0, 0]], dtype=float)
    run = successive_halving(pool, min_resource=1, eta=2)
    assert run.lengths == (1, 2, 3, 1)
    assert run.final == 4
    assert run.spent_to(4) == run.spent == (7, 4, 3)
    assert run.spent_to(3.9) is None


def test_of_equals_the_first_is_kept():
    run = successive_halving(np.ones((4, 2)), min_resource=1, eta=4)
    assert run.lengths == (2, 1, 1, 1)


def test_a_diverged_training_costs_no_more_epochs():
    pool = np.array([[1, np.inf, np.inf], [2, 2, 2]])
    run = random_search(pool)
    assert run.lengths == (2, 3)
    assert [loss for _, loss in run.finished] == [2]


def test_starts_and_resumptions_are_charged(losses):
    run = hyperband(losses(22, 12))
    assert run.spent.cost(0, 0) == run.spent.epochs
    assert run.spent.cost(0.5, 2) == run.spent.epochs + 0.5 * 22 + 2 * 13
