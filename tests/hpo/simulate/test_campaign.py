import numpy as np
import pytest
from optuna.pruners import NopPruner

from hpo.simulate import campaign
from hpo.simulate.campaign import Plan, simulate
from hpo.simulate.draws import Variant, draw
from hpo.simulate.methods import Policy, make_method

NODE = {"pruner": {"_target_": "optuna.pruners.NopPruner"}}
SAMPLED = {**NODE, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}


class Learns(NopPruner):
    """A pruner that is also a screen, which skips all trials."""

    taught = None

    def learn(self, hyperparameters, curves):
        self.taught = hyperparameters, curves

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
    )


@pytest.mark.parametrize("warm", [True, False])
def test_a_warm_method_learns_the_earlier_study_and_no_other_does(plan, monkeypatch, warm):
    pruner = Learns()
    monkeypatch.setattr(campaign, "make_policy", lambda *_: Policy(pruner, None, None))
    simulate(plan, make_method("m", {**NODE, "warm": warm}), 1)
    if not warm:
        assert pruner.taught is None
        return
    earlier = draw(plan.table, 1, plan.variant).earlier
    np.testing.assert_array_equal(pruner.taught[0], plan.table.unit_cube[earlier])
    np.testing.assert_array_equal(pruner.taught[1], plan.table.curves[earlier])


def test_a_screen_learns_and_is_asked(plan, monkeypatch):
    screen = Learns()
    monkeypatch.setattr(campaign, "make_policy", lambda *_: Policy(NopPruner(), screen, None))
    outcome = simulate(plan, make_method("m", {**NODE, "warm": True}), 0)
    assert len(screen.taught[0]) == 10
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
