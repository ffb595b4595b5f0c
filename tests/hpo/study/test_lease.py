import itertools
import math
import subprocess
from functools import partial

import optuna
import pytest
from optuna.trial import TrialState

from commons.processes import this_host
from hpo.attributes import BEAT, LEASE, LOSSES, RETRIES
from hpo.search.pausing import is_paused
from hpo.storage.patient import PatientStorage
from hpo.study.lease import (
    Lease,
    LeaseLostError,
    release,
    release_abandoned,
    was_started,
)
from hpo.study.observation import Observer
from hpo.study.trial import LeasedTrial


@pytest.fixture(params=["journal", "sqlite", "memory", "postgresql", "grpc"])
def running(request, storages):
    """A study with one RUNNING trial that has a parameter and two reports."""
    memory = optuna.storages.InMemoryStorage()
    storage = memory if request.param == "memory" else storages(request.param)
    study = optuna.create_study(storage=storage, pruner=optuna.pruners.NopPruner())
    study.enqueue_trial({})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for step in (1, 2):
        trial.report(0.5, step)
    return study, storage, trial


def reap(study, storage, duration_s=60.0, max_retries=3):
    return release_abandoned(storage, study._study_id, Observer(duration_s), max_retries)


def test_a_released_trial_keeps_its_number_parameters_and_history(running):
    study, storage, trial = running
    release(storage, trial._trial_id)
    waiting = study.trials[0]
    assert waiting.state == TrialState.WAITING
    assert waiting.params == trial.params
    assert waiting.intermediate_values == {1: 0.5, 2: 0.5}
    assert study.ask().number == 0


def test_releasing_a_trial_that_was_told_meanwhile_changes_nothing(running):
    study, storage, trial = running
    study.tell(trial, 1.0)
    release(storage, trial._trial_id)
    assert study.trials[0].state == TrialState.COMPLETE


def test_a_trial_that_is_being_given_back_is_not_abandoned(running, monkeypatch):
    study, storage, trial = running
    reaped = []
    set_state = storage.set_trial_state_values
    observer = Observer(60, partial(next, itertools.count(step=20.0)))
    assert not any(observer.is_abandoned(study.trials[0]) for _ in range(4))  # claimed long ago

    def reap_before(*arguments):
        reaped.append(release_abandoned(storage, study._study_id, observer, 3))
        return set_state(*arguments)

    monkeypatch.setattr(storage, "set_trial_state_values", reap_before)
    release(storage, trial._trial_id)
    assert reaped == [0]
    assert study.trials[0].state == TrialState.WAITING
    assert RETRIES not in study.trials[0].system_attrs


def test_a_trial_whose_owner_died_while_giving_it_back_waits_again(running, monkeypatch):
    study, storage, trial = running
    monkeypatch.setattr(storage, "set_trial_state_values", lambda *_: True)
    release(storage, trial._trial_id)
    monkeypatch.undo()
    assert reap(study, storage, duration_s=-1) == 1
    assert study.trials[0].state == TrialState.WAITING


def test_a_result_told_just_before_an_outage_counts_and_the_worker_goes_on(running, monkeypatch):
    study, storage, trial = running
    patient = PatientStorage(storage, 10)
    set_state, outages = storage.set_trial_state_values, []

    def told_but_not_heard(*arguments):
        answer = set_state(*arguments)
        if not outages:
            outages.append(True)
            raise OSError("out of reach")
        return answer

    monkeypatch.setattr(storage, "set_trial_state_values", told_but_not_heard)
    again = optuna.load_study(study_name=study.study_name, storage=patient)
    with Lease(patient, trial._trial_id, 60) as lease:
        LeasedTrial(again, trial._trial_id, lease).live(lambda: 0.25)
    assert outages
    assert [(t.state, t.value) for t in study.trials] == [(TrialState.COMPLETE, 0.25)]


def test_a_trial_whose_owner_lives_is_left_alone(running):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60):
        assert reap(study, storage) == 0
    assert study.trials[0].state == TrialState.RUNNING


def test_a_trial_whose_lease_stands_still_waits_again(running):
    study, storage, trial = running
    observer = Observer(60, partial(next, itertools.count(step=20.0)))
    with Lease(storage, trial._trial_id, 60) as lease:
        owner = {**study.trials[0].system_attrs[LEASE], "host": "elsewhere", "expires": 9e9}  # old
        storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
        for look in range(6):
            assert release_abandoned(storage, study._study_id, observer, 3) == 0
            if look < 2:
                lease.renew()
        assert release_abandoned(storage, study._study_id, observer, 3) == 1
        assert study.trials[0].state == TrialState.WAITING
        assert study.trials[0].system_attrs[RETRIES] == 1
        lease.renew()
        with pytest.raises(LeaseLostError):
            lease.check()


def test_a_heartbeat_that_comes_after_the_release_does_not_take_the_trial_back(
    running, monkeypatch
):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as stopped:
        set_attribute = storage.set_trial_system_attr

        def stopped_here(*arguments):  # between the look and the write of the heartbeat
            monkeypatch.undo()
            release(storage, trial._trial_id)
            study.ask()
            owner.append(Lease(storage, trial._trial_id, 60).__enter__())
            return set_attribute(*arguments)

        owner = []
        monkeypatch.setattr(storage, "set_trial_system_attr", stopped_here)
        stopped.renew()
        assert owner[0].is_held()
        assert not stopped.is_held()


def test_a_trial_whose_owner_is_a_dead_process_of_this_host_waits_again(running):
    study, storage, trial = running
    dead = subprocess.Popen(["true"])
    dead.wait()
    with Lease(storage, trial._trial_id, 60):
        owner = {**study.trials[0].system_attrs[LEASE], "pid": dead.pid}
        storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
        assert reap(study, storage) == 1


def test_a_dead_process_number_of_another_host_proves_nothing(running):
    study, storage, trial = running
    dead = subprocess.Popen(["true"])
    dead.wait()
    with Lease(storage, trial._trial_id, 60):
        owner = {**study.trials[0].system_attrs[LEASE], "pid": dead.pid, "host": "elsewhere"}
        storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
        assert reap(study, storage) == 0


def test_a_trial_claimed_a_moment_ago_has_time_to_write_its_lease(running):
    study, storage, _ = running
    assert reap(study, storage) == 0
    assert reap(study, storage, duration_s=-1) == 1


def test_a_trial_that_kills_its_workers_is_given_up(running):
    study, storage, _ = running
    reap(study, storage, duration_s=-1, max_retries=1)
    study.ask()
    reap(study, storage, duration_s=-1, max_retries=1)
    assert study.trials[0].state == TrialState.FAIL
    reason = study.trials[0].user_attrs["fail_reason"]
    assert reason == "its worker died, or made no progress, 2 times"


def test_an_exception_gives_the_trial_back(running):
    study, storage, trial = running
    with pytest.raises(KeyboardInterrupt), Lease(storage, trial._trial_id, 60):
        raise KeyboardInterrupt
    assert study.trials[0].state == TrialState.WAITING


def test_a_trial_given_back_without_a_step_done_counts_as_tried(running):
    study, storage, trial = running
    for expected in (1, 2):
        with pytest.raises(KeyboardInterrupt), Lease(storage, trial._trial_id, 60):
            raise KeyboardInterrupt
        assert study.trials[0].system_attrs[RETRIES] == expected
        study.ask()
    lease = Lease(storage, trial._trial_id, 60).__enter__()
    LeasedTrial(study, trial._trial_id, lease).report(0.3, 3)
    lease.__exit__(KeyboardInterrupt)
    assert study.trials[0].system_attrs[RETRIES] == 2


def test_an_exception_leaves_a_trial_alone_that_is_in_other_hands(running):
    study, storage, trial = running
    lease = Lease(storage, trial._trial_id, 60).__enter__()
    storage.set_trial_system_attr(trial._trial_id, LEASE, {"id": "another"})
    lease.__exit__(KeyboardInterrupt)
    assert study.trials[0].state == TrialState.RUNNING


def test_the_heartbeat_pushes_the_counter_forward_and_finds_a_loss(running, wait_until):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 0.3) as lease:
        lease_id = study.trials[0].system_attrs[LEASE]["id"]
        wait_until(lambda: study.trials[0].system_attrs.get(BEAT, [lease_id, 0])[1] > 1)
        assert study.trials[0].system_attrs[BEAT][0] == lease_id
        active = LeasedTrial(study, trial._trial_id, lease)
        assert not active.should_stop(0.4, 3)
        release(storage, trial._trial_id)
        wait_until(lease._lost.is_set)
        with pytest.raises(LeaseLostError):
            active.should_stop(0.4, 4)
    assert study.trials[0].last_step == 3


def test_a_result_is_told_by_the_owner_and_dropped_from_any_other_process(running):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as lease:
        mine = study.trials[0].system_attrs[LEASE]
        storage.set_trial_system_attr(trial._trial_id, LEASE, {**mine, "id": "another"})
        LeasedTrial(study, trial._trial_id, lease).live(lambda: 1.0)
        assert study.trials[0].state == TrialState.RUNNING
        assert not study.trials[0].user_attrs
    with Lease(storage, trial._trial_id, 60) as lease:
        assert study.trials[0].system_attrs[LEASE] != mine
        LeasedTrial(study, trial._trial_id, lease).live(lambda: 1.0)
    assert study.trials[0].value == 1.0


def test_after_a_lost_lease_nothing_is_written_about_the_trial(running):
    study, storage, trial = running
    study.enqueue_trial({})
    with Lease(storage, trial._trial_id, 60) as lease:
        owned = LeasedTrial(study, trial._trial_id, lease)
        owned.set_user_attr("before", 1)
        storage.set_trial_system_attr(trial._trial_id, LEASE, {"id": "another"})
        lease.renew()
        before = study.trials[0]
        for write in (
            lambda: owned.report(0.1, 3),
            lambda: owned.report(0.1, 1),  # a step that is stored
            lambda: owned.should_stop(math.nan, 3),
            lambda: owned.set_user_attr("after", 1),
            lambda: owned.suggest_float("y", 0, 1),
        ):
            with pytest.raises(LeaseLostError):
                write()
        owned.live(lambda: 1.0)
    assert study.trials[0] == before
    assert before.user_attrs == {"before": 1}


def test_a_trial_that_another_worker_has_finished_is_lost(running):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as lease:
        owned = LeasedTrial(study, trial._trial_id, lease)
        study.tell(trial, 0.25)
        with pytest.raises(LeaseLostError, match="has finished"):
            owned.set_user_attr("late", 1)
        owned.live(lambda: 1.0)
    assert study.trials[0].value == 0.25
    assert not study.trials[0].user_attrs


def test_a_process_that_was_stopped_longer_than_its_lease_looks_before_it_reports(running):
    _, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as lease:
        storage.set_trial_system_attr(trial._trial_id, LEASE, {"id": "another"})
        lease.check()  # the last heartbeat is believed
        lease._renewed -= 61
        with pytest.raises(LeaseLostError):
            lease.check()


def test_a_paused_trial_waits_with_the_step_at_which_it_was_paused(running):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as lease:
        lease.give_back(paused_at=2)
    waiting = study.trials[0]
    assert waiting.state == TrialState.WAITING
    assert is_paused(waiting)
    assert was_started(waiting)


def test_a_trial_interrupted_after_a_pause_is_not_paused(running):
    study, storage, trial = running
    with Lease(storage, trial._trial_id, 60) as lease:
        lease.give_back(paused_at=1)  # and at step 2 since then
    assert not is_paused(study.trials[0])


@pytest.mark.parametrize(("n_reports", "lost_s"), [(1, 6.0), (0, 10.0)])
def test_what_a_dead_process_had_done_since_its_last_report_is_lost(
    monkeypatch, n_reports, lost_s
):
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    trial, storage, now = study.ask(), study._storage, [100.0]
    monkeypatch.setattr("hpo.study.lease._now", lambda: now[0])
    with Lease(storage, trial._trial_id, 60, worker="launch/0") as lease:
        now[0] += 4
        for step in range(n_reports):
            LeasedTrial(study, trial._trial_id, lease).report(0.4, step + 1)
        now[0] += 6
        lease.renew()
        begin = study.trials[0].datetime_start.timestamp()
        owner = {**study.trials[0].system_attrs[LEASE], "pid": 2**22 + 1}
        storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
        assert reap(study, storage) == 1
    (loss,) = study.trials[0].user_attrs[LOSSES]
    expected = {"worker": "launch/0", "until": begin + 10, "held_s": 10.0, "lost_s": lost_s}
    assert loss == pytest.approx(expected, abs=0.06)


def test_of_a_process_that_died_before_its_first_heartbeat_no_time_is_known(running):
    study, storage, trial = running
    storage.set_trial_system_attr(trial._trial_id, BEAT, ["of another", 5, 100.0, 90.0])
    dead = subprocess.Popen(["true"])
    dead.wait()
    owner = {"id": "i", "host": this_host(), "pid": dead.pid, "born": 1}
    storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
    for _ in range(2):  # each death is a line of its own
        assert reap(study, storage) == 1
        assert storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        storage.set_trial_system_attr(trial._trial_id, LEASE, owner)
    losses = study.trials[0].user_attrs[LOSSES]
    assert [(loss["held_s"], loss["lost_s"]) for loss in losses] == [(0.0, 0.0)] * 2


def test_a_trial_that_has_just_ended_needs_no_lease_and_no_warning(caplog):
    study = optuna.create_study()
    trial = study.ask()
    lease = Lease(study._storage, trial._trial_id, duration_s=0.03)
    # Told by this worker while its lease is being renewed: nobody took the trial over.
    ends = [False]

    def is_mine():
        if not ends[0]:
            ends[0] = True
            study.tell(trial, 1.0)
        return True

    lease._is_mine = is_mine
    with lease:
        lease._thread.join(10)
    assert study.trials[0].state == TrialState.COMPLETE
    assert "could not renew" not in caplog.text
