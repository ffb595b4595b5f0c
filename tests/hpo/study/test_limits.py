import math
import os
import subprocess
import time

import optuna
import pytest
from optuna.trial import TrialState

from commons.processes import is_alive
from hpo import signals
from hpo.attributes import FAIL_REASON, LEASE, PACE, RETRIES, TIME
from hpo.study.lease import Lease
from hpo.study.limits import LimitError, Limits, StudyTime, Watch
from hpo.study.trial import LeasedTrial


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Guard:
    """Stands for the process that guards; keeps what it was told."""

    pids = frozenset()

    def __init__(self):
        self.orders = []

    def arm(self, lease, left_s, reason, spent_s, polite):
        self.orders.append((left_s, reason, spent_s, polite))

    def disarm(self):
        self.orders.append(None)

    def close(self):
        pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def study():
    return optuna.create_study()


@pytest.fixture
def begun(study, clock):
    """Makes the limits, and a trial under them."""

    def make(time_limit=None, **settings):
        time = StudyTime(study._storage, study._study_id, time_limit, clock)
        limits = Limits(time=time, guard=Guard(), **settings)
        trial_id = study.ask()._trial_id
        lease = Lease(study._storage, trial_id, 60)
        study._storage.set_trial_system_attr(trial_id, LEASE, {"id": lease.names[1]})
        trial = LeasedTrial(study, trial_id, lease, limits=limits)
        trial._watch = Watch(limits, lease, clock)
        return trial, limits.guard

    return make


def signal_limit(clock, to_s):
    """What the guard does at a limit."""
    clock.now = to_s
    os.kill(os.getpid(), signals.LIMIT)
    time.sleep(0.001)


def test_without_a_limit_nothing_is_guarded(begun):
    trial, guard = begun()
    trial.live(lambda: trial.timed(lambda: trial.report(1.0, 1) or 0.5))
    assert guard.orders == []
    assert not Limits().are_set


def test_each_report_gives_the_epoch_its_time_again(begun, clock):
    trial, guard = begun(epoch_timeout=120)

    def train():
        for clock.now in (100, 150):
            trial.report(1.0, clock.now)
        return 1.0

    trial.live(lambda: trial.timed(train))
    reason = "no report for 120 s (epoch_timeout=120)"
    assert guard.orders == [(120, reason, n, True) for n in (0, 100, 150)] + [None]


def test_the_nearest_limit_counts_and_a_trial_has_its_time_once(begun, clock, study):
    trial, guard = begun(time_limit=300, trial_timeout=100, epoch_timeout=60)
    trial.set_user_attr("seconds", 30.5)

    def train():
        clock.now = 40
        trial.report(1.0, 1)
        return 1.0

    trial.live(lambda: trial.timed(train))
    epoch, whole, _ = guard.orders
    assert epoch == (60, "no report for 60 s (epoch_timeout=60)", 30.5, True)
    assert whole == (29.5, "not finished after 100 s (trial_timeout=100)", 70.5, True)


def test_a_trial_at_its_limit_fails_with_the_reason_and_is_not_retried(begun, clock, study):
    trial, _ = begun(epoch_timeout=120)
    trial.live(lambda: trial.timed(signal_limit, clock, 121))
    failed = study.trials[0]
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs[FAIL_REASON] == "no report for 120 s (epoch_timeout=120)"
    assert RETRIES not in failed.system_attrs


def swallow(clock, trial):
    try:
        signal_limit(clock, 121)
    except BaseException:  # noqa: BLE001 - as badly written as it can be
        return 0.5


def go_on(clock, trial):
    swallow(clock, trial)
    with pytest.raises(LimitError):
        trial.report(1.0, 1)
    raise RuntimeError("another error")


@pytest.mark.parametrize("train", [swallow, go_on])
def test_a_training_that_catches_everything_does_not_escape_its_limit(begun, clock, study, train):
    trial, _ = begun(trial_timeout=120)
    trial.live(lambda: trial.timed(train, clock, trial))
    assert study.trials[0].user_attrs[FAIL_REASON].startswith("not finished after 120 s")
    assert not study.trials[0].intermediate_values


def test_a_signal_after_the_report_that_it_waited_for_does_nothing(begun, clock, study):
    trial, _ = begun(epoch_timeout=120)

    def train():
        clock.now = 119
        trial.report(1.0, 1)
        signal_limit(clock, 121)
        return 0.5

    trial.live(lambda: trial.timed(train))
    assert study.trials[0].value == 0.5
    os.kill(os.getpid(), signals.LIMIT)  # and after the trial


def test_when_the_time_of_the_study_is_over_the_trial_is_given_back(begun, clock, study):
    trial, _ = begun(time_limit=100, trial_timeout=500)
    trial.live(lambda: trial.timed(signal_limit, clock, 101))
    waiting = study.trials[0]
    assert waiting.state == TrialState.WAITING
    assert RETRIES not in waiting.system_attrs
    assert FAIL_REASON not in waiting.user_attrs


def test_a_limit_ends_the_processes_that_the_trial_has_started(begun, clock, wait_until):
    trial, _ = begun(epoch_timeout=120)
    before = subprocess.Popen(["sleep", "60"])
    started = []

    def train():
        started.append(subprocess.Popen(["sleep", "60"]))
        signal_limit(clock, 121)

    trial.live(lambda: trial.timed(train))
    wait_until(lambda: not is_alive(started[0].pid))
    assert is_alive(before.pid)
    before.kill()
    before.wait()
    started[0].wait()


def test_the_lease_of_a_trial_that_hangs_is_not_renewed(begun, clock, study):
    trial, _ = begun(epoch_timeout=5)
    kept = []

    def train():
        kept.append(trial._lease._keep_until)

    trial.live(lambda: trial.timed(train))
    assert kept[0] < math.inf == trial._lease._keep_until


@pytest.mark.parametrize(
    ("known", "limit"),
    [
        ([9, 2.0], None),
        ([10, 2.0], 60),
        ([10, 30.0], 300),
        ("text", None),
        ([10, "x"], None),
        ([True, 1], None),
        ([10], None),
        ([10, math.nan], None),
    ],
)
def test_auto_is_ten_times_the_slowest_interval_once_ten_are_known(begun, study, known, limit):
    other = study.ask()
    study._storage.set_trial_system_attr(other._trial_id, PACE, known)
    trial, guard = begun(epoch_timeout="auto")
    trial.live(lambda: trial.timed(lambda: 1.0))
    armed = [order[0] for order in guard.orders if order]
    assert armed == ([] if limit is None else [limit])


def test_auto_learns_from_the_reports_of_its_trial_and_notes_them(begun, study, clock):
    trial, guard = begun(epoch_timeout="auto")

    def train():
        for step in range(1, 12):
            clock.now += 20
            trial.report(1.0, step)
        return 1.0

    trial.live(lambda: trial.timed(train))
    assert [order and order[:2] for order in guard.orders] == [
        (200, "no report for 200 s (epoch_timeout=auto)"),
        (200, "no report for 200 s (epoch_timeout=auto)"),
        None,
    ]
    assert study.trials[0].system_attrs[PACE] == [11, 20]


def test_other_ranks_would_not_see_an_exception(begun):
    trial, guard = begun(epoch_timeout=120, is_alone=False)
    trial.live(lambda: trial.timed(lambda: 1.0))
    assert guard.orders[0][3] is False


def test_the_time_of_a_study_is_that_of_all_its_commands(study, clock):
    def time_of(limit_s):
        return StudyTime(study._storage, study._study_id, limit_s, clock)

    first = time_of(100)
    clock.now = 60
    first.note()
    second = time_of(100)
    assert second.left_s == 40
    clock.now = 1000  # nobody worked on it, or nobody has noted it
    third = time_of(100)
    assert third.left_s == 40
    clock.now += 41
    assert third.is_over
    third.note()
    assert time_of(500).left_s == pytest.approx(399)
    assert not time_of(None).is_over


def test_the_time_goes_on_from_what_another_process_has_noted(study, clock):
    mine = StudyTime(study._storage, study._study_id, 100, clock)
    study.set_user_attr(TIME, 90)
    clock.now = 5
    mine.note()
    assert mine.left_s == 10
    mine.note(every_s=30)
    study.set_user_attr(TIME, "text")
    assert StudyTime(study._storage, study._study_id, 100, clock).left_s == 100


def test_without_a_limit_the_time_is_not_written(study, clock):
    StudyTime(study._storage, study._study_id, None, clock).note()
    assert not study.user_attrs
