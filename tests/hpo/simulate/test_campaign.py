import numpy as np
import pytest
from optuna.pruners import NopPruner

from hpo.simulate import campaign
from hpo.simulate.campaign import Plan, simulate
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant, draw
from hpo.simulate.methods import Policy, make_method

NODE = {"pruner": {"_target_": "optuna.pruners.NopPruner"}}
SAMPLED = {**NODE, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}


class SkipsAll:
    """A screen."""

    def learn(self, trials):
        self.taught = trials

    def skips(self, study, trial):
        return True


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


def test_a_screen_learns_the_earlier_study_and_is_asked(plan, monkeypatch):
    screen = SkipsAll()
    monkeypatch.setattr(campaign, "make_policy", lambda *_: Policy(NopPruner(), screen, None))
    outcome = simulate(plan, make_method("m", NODE), 1)
    earlier = draw(plan.table, 1, plan.variant).earlier
    assert [trial.params for trial in screen.taught] == [plan.table.params(i) for i in earlier]
    curves = [list(trial.intermediate_values.values()) for trial in screen.taught]
    np.testing.assert_array_equal(curves, plan.table.curves[earlier])
    assert outcome.run.spent.epochs == 0


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
