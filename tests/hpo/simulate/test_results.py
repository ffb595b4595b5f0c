import math

import pytest

from hpo.simulate.campaign import Outcome, Plan
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant
from hpo.simulate.methods import make_method
from hpo.simulate.results import make_rows, sign_test
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


def outcome(epochs, final, reference=1.0):
    """A sweep that starts two trials, resumes one, and finishes one at its end."""
    spent = Spent(epochs, 2, 1)
    finished = ((spent, final),) if math.isfinite(final) else ()
    return Outcome(Run(spent, finished, (epochs,)), reference)


def test_a_row_of_a_pool(table):
    asha, ladder = make_method("asha", ASHA), make_method("ladder_9", LADDER)
    mine = [outcome(10, 1.0), outcome(20, 1.2), outcome(30, 2.0), outcome(60, math.inf)]
    theirs = [outcome(15, 1.4), outcome(15, 3.0), outcome(15, 1.0), outcome(15, 0.5)]
    ladder_row, row = make_rows(plan(table), [ladder, asha], [theirs, mine], 0.3, {"hps": ["x"]})
    assert row["median_epochs"] == 25
    assert row["mean_epochs"] == 30
    assert row["se"]["mean_epochs"] == pytest.approx(10.8012, abs=1e-4)
    assert row["cost"] == 25 + 2 * 2 + 1
    assert (row["p_tol"], row["p_leq"], row["solved"]) == (0.5, 0.25, 2)
    assert row["se"]["p_tol"] == 0.25
    paired = row["paired"]["ladder_9"]
    assert (paired["wins"], paired["losses"], paired["p"]) == (2, 2, 1.0)
    assert paired["epochs"] == 15
    assert row["nearest_baseline"] == "ladder_9"
    assert ladder_row["paired"] == {}
    assert row["settings"] == {"hps": ["x"], "first_seed": 0, "n_workers": 1, "node": ASHA}


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


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 0.03125), (0, 6, 0.03125), (9, 1, 22 / 1024)],
)
def test_the_sign_test_is_exact_and_two_sided(wins, losses, p):
    assert sign_test(wins, losses) == pytest.approx(p)
