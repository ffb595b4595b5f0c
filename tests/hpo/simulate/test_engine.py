from dataclasses import replace

import numpy as np
import pytest
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from commons.asha import AshaPruner
from hpo.search.pausing import PausingPruner
from hpo.search.promotion import PromotionPruner
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.engine import replay
from hpo.simulate.storage import Memory
from hpo.simulate.trials import Curve, RowTrials, SampledTrials

EVEN = Cluster(epoch_sigma=0.0)  # all trials are equally fast
RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 1}


def rows(table):
    return RowTrials(table, np.arange(len(table)))


def flat(*values, n_epochs=4):
    return [[value] * n_epochs for value in values]


class Recorder(BasePruner):
    """Prunes nothing; notes what it sees."""

    def __init__(self):
        self.asked, self.waiting = [], []

    def prune(self, study, trial):
        self.asked.append((trial.number, trial.last_step))
        states = (TrialState.WAITING,)
        self.waiting.append(len(study.get_trials(deepcopy=False, states=states)))
        return False


class Pauses(PausingPruner):
    """Some trials pause after each epoch and go on before new ones, or after those.

    Args:
        numbers: of these trials.
        first: whether they go on before new ones.
    """

    def __init__(self, numbers, first):
        self.numbers, self.first = numbers, first
        self.asked, self.waiting = [], []

    def pause(self, study, trial):
        self.asked.append((trial.number, trial.last_step))
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        self.waiting.append([t.number for t in waiting])
        return trial.number in self.numbers

    def choose(self, study, paused):
        new = [t for t in study.get_trials(deepcopy=False) if not t.params]
        return paused[0] if self.first or not new else None


def test_a_full_search_trains_everything(table):
    run = replay(rows(table(flat(3, 1, 2, n_epochs=12))), NopPruner())
    assert run.spent == (36, 3, 0)
    assert [(spent.epochs, loss) for spent, loss in run.finished] == [(12, 3), (24, 1), (36, 2)]
    assert run.final == 1
    assert run.spent_to(1) == (24, 2, 0)


def test_asha_by_hand(table):
    # 4 goes on as the first, 3 as the best of two; 5 is not among the best third of three; 1 is.
    run = replay(rows(table(flat(4, 3, 5, 1))), SuccessiveHalvingPruner(1, 2))
    assert run.lengths == (4, 4, 1, 4)
    assert run.spent == (13, 4, 0)
    assert run.final == 1


def test_ties_are_not_pruned_by_the_rule_of_optuna(table):
    assert replay(rows(table(flat(1, 1, 1))), SuccessiveHalvingPruner(1, 2)).lengths == (4, 4, 4)


def test_promotion_pauses_and_resumes_the_best_by_hand(table):
    # Rungs 1 and 3. Of three at rung 1 the best is promoted and pauses at 3; at the end it is the
    # furthest and runs to its end.
    run = replay(rows(table(flat(2, 1, 3))), PromotionPruner(1, ranking="last", max_resource=4))
    assert run.lengths == (1, 4, 1)
    assert run.spent == (6, 3, 2)


def test_the_pruner_is_not_asked_at_the_last_epoch(table):
    recorder = Recorder()
    replay(rows(table(flat(1, n_epochs=3))), recorder)
    assert recorder.asked == [(0, 1), (0, 2)]


def test_two_workers_train_side_by_side(table):
    recorder = Recorder()
    run = replay(rows(table(flat(1, 1, 1, n_epochs=3))), recorder, n_workers=2, cluster=EVEN)
    assert recorder.asked == [(0, 1), (1, 1), (0, 2), (1, 2), (2, 1), (2, 2)]
    assert [spent.epochs for spent, _ in run.finished] == [5, 6, 9]
    # Trial 2 is the one that waits, until it is begun.
    assert recorder.waiting == [1, 1, 1, 1, 0, 0]


def test_the_speed_of_a_trial_follows_from_the_seed(table):
    def asked(seed):
        recorder = Recorder()
        replay(rows(table(flat(*range(8), n_epochs=40))), recorder, n_workers=8, seed=seed)
        return recorder.asked

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_paused_trials_wait_where_the_policy_can_see_them(table):
    policy = Pauses({0, 1}, first=False)
    replay(rows(table(flat(1, 1, n_epochs=3))), policy)
    assert policy.asked == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert policy.waiting == [[1], [0], [1], []]


@pytest.mark.parametrize(
    ("resume_epochs", "asked"),
    [
        (0, [(0, 1), (1, 1), (0, 2), (1, 2), (2, 1), (2, 2)]),
        (9, [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (0, 2)]),
    ],
)
def test_a_resumption_takes_its_time(table, resume_epochs, asked):
    policy = Pauses({0}, first=True)
    trials = rows(table(flat(1, 1, 1, n_epochs=3)))
    cluster = replace(EVEN, resume_s=resume_epochs)
    run = replay(trials, policy, n_workers=2, cluster=cluster)
    assert policy.asked == asked
    assert run.spent.cost(1, resume_epochs) == 9 + 3 + 2 * resume_epochs


@pytest.mark.parametrize(
    ("start_epochs", "asked"),
    [
        (0, [(1, 1), (2, 1), (1, 2), (2, 2)]),
        (2.5, [(1, 1), (1, 2), (2, 1), (2, 2)]),
    ],
)
def test_a_start_takes_its_time(table, start_epochs, asked):
    recorder, diverges = Recorder(), [np.nan] * 3
    trials = rows(table([diverges, *flat(1, 1, n_epochs=3)]))
    replay(trials, recorder, n_workers=2, cluster=replace(EVEN, begin_s=start_epochs))
    assert recorder.asked == asked


@pytest.mark.parametrize("make", [lambda: SuccessiveHalvingPruner(1, 3), PromotionPruner])
def test_maximizing_the_mirrored_curves_takes_the_same_decisions(random_table, make):
    down = replay(rows(random_table(40, 30)), make(), n_workers=3)
    up = replay(rows(random_table(40, 30, "maximize")), make(), n_workers=3)
    assert down == up
    assert down.spent.epochs < 40 * 30 / 2


def test_a_curve_that_diverges_ends_there(table):
    curves = [[3, np.nan, 1, 1], [2, 2, 2, np.inf], [4, 4, 4, 4]]
    recorder = Recorder()
    run = replay(rows(table(curves)), recorder)
    assert run.spent.epochs == 2 + 4 + 4
    assert run.lengths == (1, 3, 4)  # values that the study got
    assert [loss for _, loss in run.finished] == [4]


def test_a_sampled_trial_follows_the_nearest_row(table):
    trials = SampledTrials(table(flat(3, 2, 1)), RANDOM, seed=0)
    recorder = Recorder()
    run = replay(trials, recorder, n_workers=2, budget=100)
    assert run.spent.epochs == 100
    assert {loss for _, loss in run.finished} == {1, 2, 3}


def test_a_sweep_ends_when_a_trial_has_ended_well_enough(table):
    trials = SampledTrials(table(flat(3, 2, 1)), RANDOM, seed=0)
    run = replay(trials, NopPruner(), budget=1000, good_loss=2)
    assert run.spent.epochs < 1000
    assert run.final <= 2
    assert [loss for _, loss in run.finished[:-1]] == [3.0] * (len(run.finished) - 1)


def test_a_sweep_with_a_sampler_follows_from_its_seed(random_table):
    def lengths(seed):
        trials = SampledTrials(random_table(30, 9), {**RANDOM, "seed": seed}, seed)
        return replay(trials, SuccessiveHalvingPruner(1, 3), n_workers=4, budget=200).lengths

    assert lengths(3) == lengths(3)
    assert lengths(3) != lengths(4)


def test_repeats_of_the_nearest_configuration_are_drawn_among(table):
    repeated = table(flat(1, 2))
    object.__setattr__(repeated, "hyperparameters", np.array([[0.5], [0.5]]))
    run = replay(SampledTrials(repeated, RANDOM, 0), NopPruner(), budget=100)
    assert {loss for _, loss in run.finished} == {1, 2}


def test_other_samplers_see_what_the_study_holds(random_table):
    tpe = {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 5, "seed": 2}
    trials = SampledTrials(random_table(30, 5), tpe, 0)
    run = replay(trials, NopPruner(), n_workers=2, budget=150)
    half = len(run.finished) // 2
    losses = [loss for _, loss in run.finished]
    assert np.mean(losses[half:]) < np.mean(losses[:half])


def test_the_rows_come_in_the_order_given(table):
    order = RowTrials(table(flat(3, 2, 1)), np.array([2, 0]))
    assert [loss for _, loss in replay(order, NopPruner()).finished] == [1, 3]


def test_utilization_with_a_known_queue_is_the_share_of_training(table):
    # Two workers: 100 s in the queue, 20 s start, then 2 trainings of 3 epochs of 10 s and 5 s
    # before each.
    cluster = Cluster(10, 0.0, Duration((100,)), Duration((20,)), begin_s=5)
    run = replay(
        rows(table(flat(4, 3, 2, 1, n_epochs=3))), NopPruner(), n_workers=2, cluster=cluster
    )
    timeline = run.timeline
    assert timeline.wall_s == 100 + 20 + 2 * (5 + 3 * 10)
    assert timeline.worker_s == pytest.approx(
        {"present": 180, "trained": 120, "lost": 0, "unfinished": 0, "queued": 200, "other": 60}
    )
    assert timeline.utilization == pytest.approx(120 / 180)
    # The best falls when both first trainings end, and again at the end; two workers are there.
    assert timeline.best == ((155, 110, 4), (155, 110, 3), (190, 180, 2), (190, 180, 1))
    # Nothing is trained in the first 125 of 190 s.
    assert timeline.busy[:32] == (0.0,) * 32
    assert sum(timeline.busy) / 50 * 190 * 2 == pytest.approx(120)


def test_a_worker_without_a_trial_left_costs_nothing(table):
    run = replay(rows(table(flat(1, n_epochs=5))), NopPruner(), n_workers=7, cluster=EVEN)
    assert run.timeline.worker_s["present"] == 5
    assert run.timeline.utilization == 1


def test_preempted_trials_go_on_from_their_last_epoch(table):
    cluster = Cluster(600, 0.0, requeue_s=Duration((60,)), preemptions_per_hour=0.5)
    recorder = Recorder()
    run = replay(
        rows(table(flat(*range(20), n_epochs=30))), recorder, n_workers=4, cluster=cluster
    )
    timeline = run.timeline
    # Every value is reported once, whatever happens to the workers: 20 trials of 30 epochs.
    assert len(set(recorder.asked)) == len(recorder.asked) == 20 * 29
    assert run.spent.epochs == 600
    assert run.lengths == (30,) * 20
    assert len(run.finished) == 20
    assert run.spent.n_resumed == timeline.n_preempted
    assert timeline.worker_s["trained"] == pytest.approx(600 * 600)
    # 100 h of training and what is trained again; each preemption loses at most its epoch.
    assert 30 < timeline.n_preempted < 80
    assert 0 < timeline.worker_s["lost"] < 600 * timeline.n_preempted
    assert timeline.worker_s["queued"] == pytest.approx(60 * timeline.n_preempted)


def test_failures_end_trials_at_their_rate(table):
    cluster = Cluster(36, 0.0, failures_per_hour=1.0)
    run = replay(
        rows(table(flat(*range(400), n_epochs=100))), NopPruner(), n_workers=9, cluster=cluster
    )
    # A training takes an hour: exp(-1) of them survive, within three standard errors.
    assert run.timeline.n_failed + len(run.finished) == 400
    assert len(run.finished) == pytest.approx(400 * np.exp(-1), abs=3 * 9.7)
    seconds = run.timeline.worker_s
    assert seconds["present"] == pytest.approx(seconds["trained"] + seconds["lost"])
    assert seconds["trained"] == pytest.approx(36 * run.spent.epochs)


def test_the_time_of_present_workers_is_divided_without_a_rest(random_table):
    cluster = Cluster(
        60,
        0.3,
        Duration((100.0, 2000.0)),
        Duration((30.0,), 0.5),
        Duration((500.0,)),
        7,
        9,
        2,
        2,
    )
    trials = SampledTrials(random_table(30, 27), RANDOM, 0)
    run = replay(
        trials,
        PromotionPruner(1, ranking="last", max_resource=27),
        n_workers=6,
        cluster=cluster,
        budget=300,
    )
    timeline = run.timeline
    seconds = timeline.worker_s
    parts = [seconds[kind] for kind in ("trained", "lost", "unfinished", "other")]
    assert all(part > 0 for part in parts)
    assert sum(parts) == pytest.approx(seconds["present"])
    assert seconds["present"] + seconds["queued"] <= 6 * timeline.wall_s
    assert sum(timeline.busy) / 50 * 6 * timeline.wall_s == pytest.approx(seconds["trained"])
    assert min(timeline.n_failed, timeline.n_preempted) > 0
    assert run.spent.n_started <= len(run.lengths)


def test_more_workers_end_a_sweep_earlier(random_table):
    def wall_s(n_workers):
        trials = rows(random_table(64, 10))
        return replay(trials, NopPruner(), n_workers=n_workers, cluster=EVEN).timeline.wall_s

    assert [wall_s(n) for n in (1, 4, 64, 128)] == [640, 160, 10, 10]


class Known(RowTrials):
    """Trials whose curves are known in part."""

    def __init__(self, table, curves):
        super().__init__(table, np.arange(len(curves)))
        self.curves = curves

    def curve(self, trial):
        return self.curves[trial.number]


def test_a_curve_that_is_known_in_part_ends_there_and_is_counted(table):
    curves = [
        Curve([5, 4, 3], [2, 4, 6], final=2.5, epoch_s=10),
        Curve([9], [2], 9, 20, TrialState.PRUNED),
        Curve([1, 1], [2, 4], 1, 30, TrialState.FAIL),
    ]
    trials = Known(table(flat(1, 2, 3)), curves)
    run = replay(trials, NopPruner(), cluster=EVEN)
    assert run.lengths == (3, 1, 2)
    assert run.n_cut == 1  # the pruner lets it go on
    assert [loss for _, loss in run.finished] == [2.5]
    assert run.timeline.wall_s == 3 * 10 + 20 + 2 * 30
    pruned = replay(Known(table(flat(1, 2, 3)), curves), SuccessiveHalvingPruner(2, 2))
    assert (pruned.lengths, pruned.n_cut) == ((3, 1, 2), 0)


def test_a_paused_trial_is_not_resumed_beyond_what_is_known(table):
    curves = [
        Curve([value], [1], value, None, TrialState.PRUNED)
        if value == 1
        else Curve([value] * 4, [1, 2, 3, 4], value)
        for value in (3, 1, 2)
    ]
    run = replay(
        Known(table(flat(3, 1, 2)), curves),
        PromotionPruner(1, ranking="last", max_resource=4),
        cluster=EVEN,
    )
    # 1 would be promoted first of three, so it is cut; at the end 2 is trained in full.
    assert run.lengths == (1, 1, 4)
    assert run.n_cut == 1


@pytest.mark.parametrize("make", [AshaPruner, PromotionPruner])
def test_the_work_for_a_sweep_grows_with_its_trials_and_not_with_their_square(
    random_table, monkeypatch, make
):
    n_seen = 0

    def counted(method):
        def call(*arguments, **options):
            nonlocal n_seen
            result = method(*arguments, **options)
            n_seen += len(result if isinstance(result, list) else result[1])
            return result

        return call

    for name in ("get_all_trials", "changed_trials"):
        monkeypatch.setattr(Memory, name, counted(getattr(Memory, name)))
    table, looked_at = random_table(400, 27), []
    for n_trials in (100, 400):
        n_seen = 0
        trials = SampledTrials(table, RANDOM, 0, n_trials)
        run = replay(trials, make(1, 3), n_workers=n_trials // 5)
        assert len(run.lengths) == n_trials
        looked_at.append(n_seen / run.spent.epochs)
    # Trials handed out per epoch. Without the list of changes the second is four times the first.
    assert looked_at[1] < 2 * looked_at[0] < 5
