from datetime import datetime, timedelta

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import DIVERGED, SECONDS, WORKER
from hpo.simulate.known import known_study

X = {"x": FloatDistribution(0, 1)}


def trial(state, values, seconds=None, x=0.5, final=None, space=X, **attributes):
    if seconds is not None:
        attributes[SECONDS] = seconds
    return create_trial(
        state=state,
        value=final,
        params={"x": x},
        distributions=space,
        intermediate_values=values,
        user_attrs=attributes,
    )


@pytest.fixture
def study():
    def make(*trials, direction="minimize", workers=()):
        study = optuna.create_study(direction=direction)
        study.add_trials(trials)
        for i, worker in enumerate(workers):
            study.set_user_attr(f"{WORKER}{i}", worker)
        return study

    return make


def worker(start, end, busy_s, **others):
    return {"start": start, "end": end, "worked_until": end, "busy_s": busy_s, **others}


COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def known_curves(*trials):
    study = optuna.create_study()
    study.add_trials(trials)
    known = known_study(study)
    return [curve for _, curve in known.trials._known], known.n_left_out


def test_a_curve_has_the_steps_values_and_mean_time_of_the_trial():
    (curve,), _ = known_curves(trial(COMPLETE, {2: 5.0, 4: 3.0, 6: 4.0}, 60, final=3.0))
    assert (curve.values, curve.steps) == ([5, 3, 4], [2, 4, 6])
    assert (curve.final, curve.epoch_s, curve.end) == (3, 20, COMPLETE)


def test_trials_that_ended_early_are_known_up_to_their_end():
    found, _ = known_curves(trial(PRUNED, {1: 5.0}, 10), trial(FAIL, {1: 5.0, 2: 4.0}, 30))
    assert [(c.values, c.epoch_s, c.end) for c in found] == [
        ([5], 10, PRUNED),
        ([5, 4], 15, FAIL),
    ]


def test_a_diverged_trial_diverges_again_at_its_step():
    found, _ = known_curves(
        trial(PRUNED, {1: 5.0}, 30, **{DIVERGED: 3}), trial(PRUNED, {}, 30, **{DIVERGED: "nan"})
    )
    assert [c.steps for c in found] == [[1, 3], [1]]
    assert found[0].values[-1] != found[0].values[-1]
    assert [c.epoch_s for c in found] == [15, 30]


def test_a_trial_that_reported_nothing_is_one_epoch():
    (complete, failed), _ = known_curves(trial(COMPLETE, {}, 30, final=2.0), trial(FAIL, {}, 7))
    assert (complete.values, complete.epoch_s) == ([2], 30)
    assert (len(failed.values), failed.epoch_s) == (1, 7)


def test_what_has_no_end_or_no_time_is_left_out_and_counted():
    found, n_left_out = known_curves(
        trial(COMPLETE, {1: 1.0}, 5, final=1.0),
        trial(TrialState.WAITING, {}),
        trial(TrialState.RUNNING, {1: 2.0}, 5),
        trial(PRUNED, {1: 1.0}),
        trial(PRUNED, {}, 0, skipped={}),  # of an old version
    )
    assert len(found) == 1
    assert n_left_out == 4


def test_a_study_of_others_has_the_time_between_begin_and_end_of_its_trials():
    begin = datetime(2026, 1, 1)
    other = create_trial(value=1.0, intermediate_values={1: 2.0, 2: 1.0})
    other.datetime_start, other.datetime_complete = begin, begin + timedelta(seconds=30)
    (curve,), _ = known_curves(other)
    assert curve.epoch_s == 15


def test_records_of_workers_tell_how_many_there_were_and_what_they_needed(study):
    known = known_study(
        study(
            trial(COMPLETE, {1: 1.0, 2: 1.0}, 80, final=1.0),
            workers=[
                worker(0, 100, 80, n_trials=4, start_up_s=3, queued_s=7, cores=2),
                worker(10, 90, 70, n_trials=2, start_up_s=5, queued_s=9, cores=4),
                worker(1000, 1100, 100, n_trials=0, start_up_s=40),  # another command
            ],
        )
    )
    assert known.n_workers == 2
    assert (known.start_up_s, known.queued_s, known.cores) == (5, 8, 3)
    assert known.between_s == pytest.approx((20 + 10 + 0) / 6)
    assert known.wall_s == 200
    assert known.n_epochs == 2
    cluster = known.cluster
    assert (cluster.begin_s, cluster.start_s.values_s) == (known.between_s, (5,))


def test_a_study_without_records_had_one_worker(study):
    known = known_study(study(trial(PRUNED, {1: 1.0}, 5), direction="maximize"))
    assert (known.n_workers, known.start_up_s, known.between_s, known.n_epochs) == (1, 0, 0, 0)
    assert (known.queued_s, known.cores, known.wall_s) == (0, 1, 0)
    assert known.trials.direction == "maximize"


def test_only_what_all_trials_were_asked_for_is_replayed(study):
    other = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 2)}
    more = create_trial(
        value=1.0, params={"x": 0.2, "y": 1.5}, distributions=other, user_attrs={SECONDS: 1}
    )
    known = known_study(study(trial(COMPLETE, {}, 1, final=1.0), more))
    assert set(known.trials.space) == {"x"}
    assert known.trials.fixed(1) == {"x": 0.2, "y": 1.5}


def test_without_records_the_most_trials_at_once_were_the_workers(study):
    def running(begin_s, end_s):
        trial = create_trial(value=1.0)
        begin = datetime(2026, 1, 1)
        trial.datetime_start = begin + timedelta(seconds=begin_s)
        trial.datetime_complete = begin + timedelta(seconds=end_s)
        return trial

    trials = [running(0, 10), running(0, 4), running(4, 9), running(5, 8), running(10, 12)]
    assert known_study(study(*trials)).n_workers == 3
