"""The guard as a process: what it does to its worker."""

import os
import time

import optuna
import pytest

from commons.processes import is_alive
from hpo import signals
from hpo.storage.opening import open_storage
from hpo.study.guard import Guard, _late_s, _watch
from hpo.study.lease import Lease, end_for_owner


@pytest.fixture
def lease():
    study = optuna.create_study()
    return Lease(study._storage, study.ask()._trial_id, 60)


@pytest.fixture
def guard():
    guard = Guard()
    yield guard
    guard.close()


class Limited(BaseException):
    pass


def wait_for_limit(seconds):
    with pytest.raises(Limited), signals.limited(Limited):
        time.sleep(seconds)


def test_a_worker_that_understands_is_interrupted_first(guard, lease):
    with signals.limited(Limited):
        pass  # from now on the signal is not the end of this process
    guard.arm(lease, 0.05, "r", 0.0, polite=True)
    wait_for_limit(20)
    guard.disarm()
    assert [is_alive(pid) for pid in guard.pids] == [True]


def test_a_worker_that_reports_in_time_is_left_alone(guard, lease):
    with signals.limited(Limited):
        guard.arm(lease, 0.2, "r", 0.0, polite=True)
        for _ in range(3):
            guard.arm(lease, 60, "r", 0.0, polite=True)
        guard.disarm()
        time.sleep(0.4)


def test_the_time_for_which_an_order_was_on_its_way_counts_but_not_a_long_stop():
    assert _late_s({"left_s": 5.0, "since": 100.0}, 100.75) == 0.75
    assert _late_s({"left_s": 5.0, "since": 100.0}, 4000.0) == 2.0
    assert _late_s({}, 100.0) == 0.0


def test_a_limit_that_is_over_when_the_guard_has_begun_is_enforced_at_once(monkeypatch):
    order = {"left_s": 1.9, "since": time.monotonic() - 3600, "polite": True}
    coming, told = [order, None], []

    class Orders:
        is_open = property(lambda _: bool(coming))
        last = staticmethod(lambda _: coming.pop(0))

    monkeypatch.setattr("hpo.study.guard.os.kill", lambda *signal: told.append(signal))
    _watch(Orders(), os.getppid(), 10.0, b"")
    assert told == [(os.getppid(), signals.LIMIT)]


def test_an_end_leaves_no_process_and_a_dead_guard_is_replaced(guard, lease, caplog):
    guard.arm(lease, 60, "r", 0.0, polite=True)
    (first,) = guard.pids
    os.kill(first, 9)
    while guard.pids:
        guard.disarm()
    assert "the guard of the time limits is gone" in caplog.text
    guard.arm(lease, 60, "r", 0.0, polite=True)
    (second,) = guard.pids
    guard.close()
    assert second != first
    assert not is_alive(second)


def test_a_training_that_cannot_be_interrupted_is_killed_with_all_its_processes(
    shell, tmp_path, wait_until
):
    code, output = shell("plain/hangs.py").end()
    assert code == -9, output
    assert "no report for 0.5 s (epoch_timeout=0.5); process" in output
    assert "with all that it had started; a new one goes on with the next trial" in output
    wait_until(lambda: not any(map(is_alive, map(int, (tmp_path / "pids").read_text().split()))))
    study = optuna.load_study(study_name="s", storage=open_storage(tmp_path / "s.log", tmp_path))
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[0].user_attrs["fail_reason"] == "no report for 0.5 s (epoch_timeout=0.5)"
    assert study.trials[0].user_attrs["seconds"] > 0.5


@pytest.mark.parametrize("reason", ["too long", None])
def test_the_end_of_a_trial_is_written_under_the_lease_of_its_worker_only(tmp_path, reason):
    study = optuna.create_study(storage=open_storage(None, tmp_path))
    trial = study.ask()
    with Lease(study._storage, trial._trial_id, 60) as lease:
        end_for_owner(study._storage, trial._trial_id, "another", reason, 5.0)
        assert study.trials[0].state.name == "RUNNING"
        end_for_owner(study._storage, trial._trial_id, lease.names[1], reason, 5.0)
    ended = study.trials[0]
    assert ended.state.name == ("FAIL" if reason else "WAITING")
    assert ended.user_attrs.get("fail_reason") == reason
    end_for_owner(study._storage, trial._trial_id, lease.names[1], "again", 5.0)
    assert study.trials[0].user_attrs == ended.user_attrs
