"""Trials on several GPUs, which may grow: figures by hand on four GPUs."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
from optuna.pruners import NopPruner

from commons.asha import AshaPruner
from hpo.growth import Growth
from hpo.search.pausing import PausingPruner
from hpo.search.promotion import PromotionPruner
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.engine import replay
from hpo.simulate.gpus import Crews, Gpus, gpus_per_trial
from hpo.simulate.trials import RowTrials, SampledTrials

RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 1}
GROW = Growth({0: 1, 1: 2})


def make_cluster(**kwargs):
    """Epochs of 8 s on one GPU, no trial slower than another one."""
    return Cluster(8.0, 0.0, **kwargs)


@pytest.fixture
def sweep(table):
    """Replays promotion with eta 2 on flat curves of two epochs."""

    def run(finals, gpus, n_epochs=2, pruner=None, **kwargs):
        curves = table([[final] * n_epochs for final in finals])
        return replay(
            RowTrials(curves, np.arange(len(finals))),
            pruner or PromotionPruner(1, 2, n_epochs),
            gpus=gpus,
            cluster=make_cluster(**kwargs),
        )

    return run


def test_promoted_trials_go_on_with_the_gpus_of_those_that_are_not(sweep):
    # Four trials end their first epoch after 8 s; the best two then have two GPUs each for 4 s.
    run = sweep([1, 2, 3, 4], Gpus(4, GROW))
    assert run.lengths == (2, 2, 1, 1)
    assert run.spent == (6, 4, 2)
    timeline = run.timeline
    assert timeline.wall_s == 12
    assert timeline.worker_s["present"] == timeline.worker_s["trained"] == 4 * 12
    assert timeline.utilization == 1
    assert timeline.busy == pytest.approx([1.0] * 50)
    assert [(wall, used) for wall, used, _ in timeline.best] == [(12, 48)]


def test_without_growth_the_others_stay_idle(sweep):
    run = sweep([1, 2, 3, 4], Gpus(4))
    assert run.lengths == (2, 2, 1, 1)
    assert run.timeline.wall_s == 16
    assert run.timeline.worker_s["present"] == 4 * 8 + 2 * 8
    assert np.mean(run.timeline.busy) == pytest.approx(48 / 64)


def test_what_a_doubling_does_not_gain_is_lost(sweep):
    # Two GPUs are 1.5 times as fast as one.
    run = sweep([1, 2, 3, 4], Gpus(4, GROW, efficiency=0.75))
    assert run.timeline.wall_s == pytest.approx(8 + 8 / 1.5)


def test_a_job_waits_until_it_has_all_of_its_gpus(sweep):
    # Both promoted trials need all four GPUs, one after the other, 2 s each.
    run = sweep([1, 2, 3, 4], Gpus(4, Growth({0: 1, 1: 4})))
    assert run.timeline.wall_s == 8 + 2 + 2
    assert run.timeline.worker_s["queued"] == 0


def test_larger_workers_begin_when_no_new_trial_is_left(sweep):
    # Two GPUs, four trials: new ones until 16 s, as a live worker takes what has its size; the job
    # for the first promoted trial has two GPUs and has waited since 8 s.
    run = sweep([1, 2, 3, 4], Gpus(2, GROW))
    assert run.timeline.wall_s == 8 + 8 + 4 + 4
    assert run.timeline.worker_s["queued"] == 2 * 8


def test_a_change_of_size_costs_a_start_and_a_checkpoint(sweep):
    run = sweep([1, 2, 3, 4], Gpus(4, GROW), start_s=Duration((3.0,)), resume_s=5.0)
    # Start, first epoch; start of a larger worker, loading, second epoch.
    assert run.timeline.wall_s == 3 + 8 + 3 + 5 + 4
    assert run.timeline.worker_s["other"] == 4 * 3 + 2 * 2 * (3 + 5)


def test_a_job_of_a_new_size_queues(sweep):
    run = sweep([1, 2, 3, 4], Gpus(4, GROW), queue_s=Duration((10.0,)))
    assert run.timeline.wall_s == 10 + 8 + 10 + 4
    assert run.timeline.worker_s["queued"] == 4 * 10 + 2 * 2 * 10
    assert run.timeline.worker_s["present"] == 48  # nothing is held while it queues


def test_the_last_trial_is_left_to_a_worker_of_its_size(sweep):
    # One at the rung is never promoted: when nothing else is left it goes on, on two GPUs.
    run = sweep([1], Gpus(2, GROW))
    assert run.lengths == (2,)
    assert run.timeline.wall_s == 8 + 4
    assert run.timeline.worker_s["trained"] == 8 + 2 * 4


def test_all_trials_on_several_gpus_count_for_each(sweep):
    one = sweep([1, 2, 3, 4], Gpus(2), pruner=AshaPruner(1, 2))
    four = sweep([1, 2, 3, 4], Gpus(8, Growth({0: 4})), pruner=AshaPruner(1, 2))
    assert four.lengths == one.lengths
    assert four.timeline.wall_s == one.timeline.wall_s / 4
    assert four.timeline.worker_s["present"] == one.timeline.worker_s["present"]
    assert four.timeline.busy == one.timeline.busy


def test_one_gpu_each_is_as_many_workers(random_table):
    trials = [RowTrials(random_table(40, 9), np.arange(40)) for _ in range(2)]
    policies = [PromotionPruner(1, 3, 9) for _ in range(2)]
    assert replay(trials[0], policies[0], n_workers=5) == replay(
        trials[1], policies[1], gpus=Gpus(5)
    )


@pytest.mark.parametrize("rates", [{}, {"preemptions_per_hour": 60.0}])
def test_gpus_are_neither_lost_nor_made(random_table, rates):
    growth = Growth({0: 1, 1: 2, 3: 4})
    cluster = Cluster(
        20, 0.3, Duration((5.0, 60.0)), Duration((4.0,), 0.5), Duration((30.0,)), 1, 2, **rates
    )
    trials = RowTrials(random_table(60, 9), np.arange(60))
    run = replay(trials, PromotionPruner(1, 3, 9), gpus=Gpus(11, growth, 0.8), cluster=cluster)
    seconds, timeline = run.timeline.worker_s, run.timeline
    parts = [seconds[kind] for kind in ("trained", "lost", "unfinished", "other")]
    assert sum(parts) == pytest.approx(seconds["present"])
    assert seconds["present"] <= 11 * timeline.wall_s
    assert (timeline.n_preempted > 0) is bool(rates)
    assert len(run.lengths) == 60
    assert max(run.lengths) == 9
    assert sum(run.lengths) == run.spent.epochs


class OneByOne(PausingPruner):
    """One epoch of each trial in turn."""

    def pause(self, study, trial):
        return True

    def choose(self, study, paused):
        return min(paused, key=lambda trial: trial.last_step, default=None)


def test_other_policies_that_pause_let_trials_grow(sweep):
    run = sweep([1, 2, 3], Gpus(2, GROW), 3, OneByOne())
    assert run.lengths == (3, 3, 3)
    # The first epochs on one GPU: 16 s; then six on two, one trial at a time, 4 s each.
    assert run.timeline.wall_s == 16 + 6 * 4


def test_a_sweep_without_an_end_ends_at_its_budget(random_table):
    trials = SampledTrials(random_table(20, 9), RANDOM, 0)
    run = replay(trials, PromotionPruner(1, 3, 9), gpus=Gpus(4, GROW), budget=50)
    assert run.spent.epochs == 50


def test_a_policy_that_does_not_pause_is_refused(table):
    trials = RowTrials(table([[1, 1]]), np.arange(1))
    with pytest.raises(ValueError, match="needs a policy that pauses trials, which NopPruner doe"):
        replay(trials, NopPruner(), gpus=Gpus(2, GROW))


def test_a_step_at_which_the_policy_does_not_decide_is_refused(table):
    trials = RowTrials(table([[1, 1]]), np.arange(1))
    with pytest.raises(ValueError, match=r"where PromotionPruner decides, not after step 5$"):
        replay(trials, PromotionPruner(1, ranking="last"), gpus=Gpus(2, Growth({0: 1, 5: 2})))


def test_a_trial_has_at_most_all_gpus():
    with pytest.raises(ValueError, match="n_gpus=3: a trial may have 4"):
        Gpus(3, Growth({0: 1, 9: 4, 27: 2}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "gpus_per_trial must be a number, .* with at least 1 GPU"),
        ({9: 2}, "beginning with step 0"),
        ("two", "gpus_per_trial must be a number, or GPUs by steps .* got 'two'"),
    ],
)
def test_gpus_that_no_trial_can_have_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        gpus_per_trial(given)


def test_jobs_start_in_the_order_of_their_submission():
    crews = Crews(Gpus(4, Growth({0: 1, 1: 4})))
    for size in (1, 4, 1):
        crews.submitted(size)
    assert crews.queue(1, "a") == ["a"]
    assert crews.queue(4, "b") == []
    assert crews.queue(1, "c") == []  # a GPU is free, but not for one that came later
    assert crews.end(1) == ["b"]
    assert crews.end(4) == ["c"]


def test_workers_are_submitted_for_what_those_present_will_not_take():
    crews = Crews(Gpus(4, GROW))
    missing = partial(crews.missing, {1: 3, 2: 5}.get)
    assert missing(Counter()) == [1, 1, 1, 2, 2]
    for size in (1, 1, 2):
        crews.submitted(size)
    assert missing(Counter({1: 1})) == [1, 1, 2]  # one of two has no trial yet
    crews.end(2)
    assert missing(Counter({1: 1})) == [1, 1, 2, 2]
