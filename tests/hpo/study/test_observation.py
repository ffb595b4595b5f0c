import os
import signal
import subprocess
from datetime import datetime

import pytest
from optuna.trial import TrialState, create_trial

from commons.processes import born, this_host
from hpo.attributes import BEAT, LEASE
from hpo.study.observation import Observer, mark


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def observer(clock):
    return Observer(60, clock)


def running(lease, beat=None, start=1, number=0):
    trial = create_trial(state=TrialState.RUNNING, system_attrs={LEASE: lease, BEAT: beat})
    trial.datetime_start = datetime(2000, 1, start)
    trial._trial_id = number
    return trial


def elsewhere(**more):
    return {"id": "i", "host": "elsewhere", "pid": 1, **more}


def here(pid, **more):
    return {"id": "i", "host": this_host(), "pid": pid, **more}


def first_abandoned(observer, clock, trial, step, until=1000):
    while clock.now < until:
        if observer.is_abandoned(trial):
            return clock.now
        clock.now += step
    return None


@pytest.mark.parametrize("lease", [elsewhere(), elsewhere(expires=1.0), None, {"released": 1}])
def test_a_lease_that_stands_still_is_abandoned_after_its_duration(observer, clock, lease):
    assert first_abandoned(observer, clock, running(lease), step=1) == 61


def test_a_counter_that_moves_keeps_a_lease_for_ever(observer, clock):
    for clock.now in range(0, 600, 20):
        assert not observer.is_abandoned(running(elsewhere(), ["i", clock.now // 40]))


def test_a_trial_that_is_claimed_again_begins_anew(observer, clock):
    trial = running({"released": "a"})
    for clock.now in range(0, 61, 20):
        assert not observer.is_abandoned(trial)
    clock.now = 80
    assert not observer.is_abandoned(running({"released": "a"}, start=2))
    assert observer.is_abandoned(trial) is False  # another one again


def test_the_time_in_which_the_observer_was_stopped_does_not_count(observer, clock):
    trial = running(elsewhere())
    assert not observer.is_abandoned(trial)
    clock.now = 3600
    assert not observer.is_abandoned(trial)
    assert first_abandoned(observer, clock, trial, step=1, until=4000) == 3641


def test_the_heartbeat_of_an_own_trial_shows_that_the_observer_was_running(observer, clock):
    trial = running(elsewhere())
    observer.is_abandoned(trial)
    for clock.now in range(0, 80, 20):
        observer.tick()
    clock.now += 1
    assert observer.is_abandoned(trial)


@pytest.mark.parametrize(
    ("lease", "beat"),
    [
        ("text", None),
        ([1], {"a": 1}),
        (7, 7),
        ({"id": 5, "host": None, "pid": "x", "born": []}, "beat"),
        ({"id": "i", "pid": True}, [None]),
        ({"id": "i", "host": this_host(), "pid": -1}, None),
        ({"id": "i", "host": this_host(), "pid": 2.5}, None),
    ],
)
def test_attributes_of_a_wrong_type_are_a_lease_that_stands_still(observer, clock, lease, beat):
    assert first_abandoned(observer, clock, running(lease, beat), step=10) == 70


def test_a_dead_process_of_this_host_has_abandoned_its_trial_at_once(observer):
    with subprocess.Popen(["sleep", "60"]) as process:
        alive = running(here(process.pid, born=born(process.pid)))
        assert not observer.is_abandoned(alive)
        assert observer.is_abandoned(running(here(process.pid, born=1)))  # number used again
        process.kill()
    assert observer.is_abandoned(alive)
    assert not observer.is_abandoned(running(elsewhere(pid=process.pid)))


def test_a_process_that_is_stopped_is_in_doubt_and_one_that_runs_is_not(observer, wait_until):
    with subprocess.Popen(["sleep", "60"]) as process:
        trial = running(here(process.pid))
        assert not observer.doubtful([trial])
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: observer.doubtful([trial]) == {mark(trial)})
        process.kill()


def test_doubt_ends_when_a_lease_has_moved_or_is_abandoned(observer, clock):
    trials = [running(elsewhere(), ["i", 1], number=n) for n in (0, 1)]
    finished = create_trial(value=1.0)
    doubtful = observer.doubtful([*trials, finished])
    assert len(doubtful) == 2
    trials[0] = running(elsewhere(), ["i", 2])
    new = running(elsewhere(), number=2)
    doubtful = observer.doubtful([*trials, new], doubtful)
    assert doubtful == {mark(trials[1])}
    for clock.now in range(0, 80, 10):
        doubtful = observer.doubtful(trials, doubtful)
    assert doubtful == set()
    assert observer.is_abandoned(trials[1])


def test_this_process_is_at_work(observer):
    assert not observer.doubtful([running(here(os.getpid()))])
