import pytest

from hpo.attributes import BEAT, LEASE, LOSSES
from hpo.reporting.busy import busy_fraction


def record(start, end, busy_s=0.0):
    return {"start": start, "end": end, "busy_s": busy_s}


def test_the_share_is_that_of_all_workers_and_without_records_there_is_none():
    assert busy_fraction([record(0, 10, 9), record(0, 30, 11)], []) == pytest.approx(20 / 40)
    assert busy_fraction([], []) is None


def test_a_trial_that_a_worker_has_now_or_died_on_is_work_too(study):
    trial_id, storage = study.ask()._trial_id, study._storage
    storage.set_trial_system_attr(trial_id, LEASE, {"id": "x", "worker": "a/0"})
    storage.set_trial_system_attr(trial_id, BEAT, ["x", 3, 30.0, 1.0])
    loss = {"worker": "b/0", "until": 9.0, "held_s": 60.0, "lost_s": 20.0}
    storage.set_trial_user_attr(trial_id, LOSSES, [loss])
    busy = busy_fraction([record(0, 10, 5)], study.trials)
    assert busy == pytest.approx((5 + 30 + 60) / (10 + 30 + 60))


def test_workers_that_have_just_begun_are_not_called_idle():
    assert busy_fraction([record(0, 0.01)] * 200, []) is None
    assert busy_fraction([record(0, 2.0)], []) == 0
