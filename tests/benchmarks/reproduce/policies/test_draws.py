import numpy as np
import pytest

from benchmarks.reproduce.policies.draws import make_draws, measure, sign_test, won_lost
from benchmarks.reproduce.policies.problems import made_up
from hpo.simulate.campaign import Plan, simulate
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant
from hpo.simulate.methods import make_method

SHA = {"reference": {"_target_": "hpo.simulate.synchronous.successive_halving"}}


@pytest.fixture
def problem():
    return made_up()[1]


def test_draws_are_those_of_the_simulator(problem):
    draws = make_draws(problem.table, range(3, 6), Variant())
    plan = Plan(problem.table, range(3, 6), range(0), Variant(), 1, 0.0, (), 0.0, 0.0, Cluster())
    outcomes = [simulate(plan, make_method("sha", SHA), number) for number in range(3, 6)]
    assert draws.evidence.winners == tuple(outcome.pool.winner for outcome in outcomes)
    assert draws.finals.tolist() == [outcome.reference for outcome in outcomes]
    assert draws.epochs.tolist() == [outcome.pool.epochs for outcome in outcomes]
    finals = np.array([outcome.run.final for outcome in outcomes])
    measured = measure(draws, 0.0, [outcome.run.spent.epochs for outcome in outcomes], finals)
    assert measured.gap.tolist() == [outcome.pool.gap for outcome in outcomes]
    assert draws.losses.shape == (3, 22, 12)


def test_sweeps_are_measured_against_hyperband_on_the_same_draw(problem):
    draws = make_draws(problem.table, range(4), Variant())
    finals = draws.finals + np.array([0.0, 0.1, 0.3, np.inf])
    measured = measure(draws, 0.2, draws.epochs / 2, finals)
    assert measured.mean_share == 0.5
    assert measured.close.tolist() == [True, True, False, False]
    assert measured.gap[3] == 1


def test_some_draws_keep_their_winners(problem):
    draws = make_draws(problem.table, range(4), Variant())
    some = draws.take(np.array([3, 1]))
    assert some.evidence.winners == (draws.evidence.winners[3], draws.evidence.winners[1])
    assert some.epochs.tolist() == draws.epochs[[3, 1]].tolist()


def test_winners_of_different_tables_have_votes_of_their_own(problem):
    draws = make_draws(problem.table, range(40), Variant())
    good = measure(draws, 0.0, draws.epochs, draws.finals)
    bad = measure(draws, 0.0, draws.epochs, draws.finals + 1)
    assert won_lost(good, bad) == (40, 0)
    n = len(set(draws.evidence.winners))
    assert sign_test([(good, bad)]) is None  # one table with too few winners
    assert sign_test([(good, bad)] * 6) == pytest.approx(2 * 0.5 ** (6 * n))
