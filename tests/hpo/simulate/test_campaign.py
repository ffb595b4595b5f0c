import numpy as np
import pytest

from hpo.simulate.campaign import Plan, simulate
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant, draw
from hpo.simulate.methods import make_method

NODE = {"pruner": {"_target_": "optuna.pruners.NopPruner"}}
SAMPLED = {**NODE, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}


@pytest.fixture
def plan(random_table):
    return Plan(
        table=random_table(40, 12),
        orders=range(2),
        seeds=range(2),
        variant=Variant(drop_best=2, earlier_groups=10),
        n_workers=None,
        budget=200,
        within=(0.0,),
        start_epochs=0,
        resume_epochs=0,
        cluster=Cluster(),
    )


def test_the_best_of_an_earlier_study_come_first_and_hyperband_has_the_pool_alone(plan):
    drawn = draw(plan.table, 1, plan.variant)
    cold, warm = (
        simulate(plan, make_method("m", NODE | more), 1) for more in ({}, {"enqueue_best": 3})
    )
    assert cold.run.lengths == (12,) * len(drawn.pool)
    assert warm.run.lengths == (12,) * (3 + len(drawn.pool))
    ends = plan.table.losses[:, -1]
    assert [loss for _, loss in warm.run.finished[:3]] == sorted(ends[drawn.earlier])[:3]
    assert warm.reference == cold.reference
    assert warm.pool.epochs == cold.pool.epochs
    assert warm.run.final == min(cold.run.final, ends[drawn.earlier].min())


def test_a_pool_is_measured_by_hyperband_on_the_same_order(plan):
    reference = {"reference": {"_target_": "hpo.simulate.synchronous.hyperband"}}
    hyperband = simulate(plan, make_method("h", reference), 1)
    full = simulate(plan, make_method("m", NODE), 1)
    assert full.reference == hyperband.reference == hyperband.run.final
    assert full.run.final <= full.reference
    pool = draw(plan.table, 1, plan.variant).pool
    assert full.run.final == plan.table.losses[pool, -1].min()


def test_with_a_sampler_the_best_of_the_rows_that_are_left_counts(plan):
    outcome = simulate(plan, make_method("m", SAMPLED), 0)
    removed = draw(plan.table, 0, plan.variant).removed
    left = np.delete(plan.table.losses[:, -1], removed)
    assert outcome.reference == left.min()
    assert outcome.run.final in left
    assert outcome.run.spent.epochs <= 200
