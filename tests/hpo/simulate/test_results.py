import math

import pytest

from hpo.simulate.campaign import Outcome, Plan, Pool
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant
from hpo.simulate.methods import make_method
from hpo.simulate.results import make_rows
from hpo.simulate.run import Run, Spent

ASHA = {"pruner": {"_target_": "optuna.pruners.NopPruner"}}
SAMPLED = {**ASHA, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}
LADDER = {"reference": {"_target_": "hpo.simulate.synchronous.hyperband"}, "baseline": True}


def plan(table, **changes):
    settings = {
        "orders": range(4),
        "seeds": range(7, 11),
        "variant": Variant(),
        "n_workers": None,
        "budget": 100.0,
        "cluster": Cluster(),
        "within": (0.5, 2.0),
        "start_epochs": 2.0,
        "resume_epochs": 1.0,
        **changes,
    }
    return Plan(table=table([[1, 1]]), **settings)


def outcome(epochs, final, reference=1.0, pool=None):
    """A sweep that starts two trials, resumes one, and finishes one at its end."""
    spent = Spent(epochs, 2, 1)
    finished = ((spent, final),) if math.isfinite(final) else ()
    return Outcome(Run(spent, finished, (epochs,)), reference, pool)


def test_a_row_of_a_pool(table):
    asha, ladder = make_method("asha", ASHA), make_method("ladder_9", LADDER)
    mine = [outcome(10, 1.0), outcome(20, 1.2), outcome(30, 2.0), outcome(60, math.inf)]
    theirs = [outcome(15, 1.4), outcome(15, 3.0), outcome(15, 1.0), outcome(15, 0.5)]
    ladder_row, row = make_rows(plan(table), [ladder, asha], [theirs, mine], 0.3, {"hps": ["x"]})
    assert row["median_epochs"] == 25
    assert row["mean_epochs"] == 30
    assert row["cost"] == 25 + 2 * 2 + 1
    assert (row["p_tol"], row["p_leq"], row["solved"]) == (0.5, 0.25, 2)
    paired = row["paired"]["ladder_9"]
    assert (paired["wins"], paired["losses"]) == (2, 2)
    assert paired["epochs"] == 15
    assert row["nearest_baseline"] == "ladder_9"
    assert ladder_row["paired"] == {}
    assert row["settings"] == {"hps": ["x"], "first_seed": 0, "n_workers": 1, "node": ASHA}


def pools(winners):
    return [
        outcome(epochs, 1.0 + epochs / 100, 1.1, Pool(winner, 100 + epochs, epochs / 100, 0.5))
        for epochs, winner in enumerate(winners)
    ]


def rows_of(table, winners):
    methods = [make_method("asha", ASHA), make_method("other", ASHA)]
    runs = pools(winners)
    return make_rows(plan(table), methods, [runs, runs[::-1]], 0.0, {})


def test_a_pool_is_scored_by_share_and_gap_with_errors_by_its_winners(table):
    row, other = rows_of(table, range(20))
    assert row["share"] == pytest.approx(sum(e / (100 + e) for e in range(20)) / 20)
    assert row["gap"] == pytest.approx(0.095)
    assert row["evidence"]["independent"] == row["evidence"]["winners"] == 20
    assert row["evidence"]["overlap"] == 0.5
    assert row["p_tol"] == 0.55
    assert row["se"]["p_tol"] == pytest.approx((13 / 24 * 11 / 24 / 24) ** 0.5)
    assert row["se"]["mean_epochs"] == pytest.approx(5.916 / 20**0.5, abs=1e-3)
    paired = other["paired"]["asha"]
    assert (paired["wins"], paired["losses"], paired["p"]) == (9, 9, 1.0)
    assert paired["se"] == pytest.approx(11.832 / 20**0.5, abs=1e-3)


def test_draws_that_repeat_one_experiment_get_neither_errors_nor_tests(table):
    row, other = rows_of(table, [7] * 20)
    assert set(row["se"].values()) == {None}
    assert (other["paired"]["asha"]["p"], other["paired"]["asha"]["se"]) == (None, None)
    assert "too few for error bars" in row["evidence"]["text"]


def test_with_a_sampler_there_is_a_row_per_distance(table):
    method = make_method("m", SAMPLED)
    runs = [outcome(10, 1.0), outcome(20, 1.2), outcome(30, 2.5), outcome(60, math.inf)]
    near, far = make_rows(plan(table), [method], [runs], 0.3, {})
    assert (near["within"], near["solved"], near["p_tol"]) == (0.5, 2, 0.5)
    assert near["median_epochs"] is None  # half of them never come so near
    assert near["mean_epochs"] is None
    assert near["quartiles_epochs"] == [10, 20, None, None]
    assert near["epochs"] == [10, 20, None, None]
    assert (far["within"], far["solved"], far["median_epochs"]) == (2.0, 3, 25)
    assert near["settings"]["first_seed"] == 7
    assert near["settings"]["n_workers"] == 8
    assert near["settings"]["budget"] == 100
