"""When workers trained which trial."""

from datetime import datetime, timedelta

import optuna
import pytest
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.attributes import ADDED, BEAT, LEASE, LOSSES, RUN, SECONDS
from hpo.reporting.spans import spans_of
from hpo.storage.opening import open_storage

T0 = datetime(2026, 1, 1, 12)
PRUNED, COMPLETE = TrialState.PRUNED, TrialState.COMPLETE


def trial(
    number: int, begin: float, end: float | None, seconds: float, worker="w/0", state=PRUNED
) -> FrozenTrial:
    made = create_trial(
        state=state,
        value=1.0 if state == COMPLETE else None,
        user_attrs={SECONDS: seconds}
        | ({RUN: {"overrides": [], "worker": worker}} if worker else {}),
    )
    made.number, made.datetime_start = number, T0 + timedelta(seconds=begin)
    made.datetime_complete = None if end is None else T0 + timedelta(seconds=end)
    return made


def shown(trials):
    zero = T0.timestamp()
    return [
        (s.worker, s.trial.number, pytest.approx(s.begin - zero), pytest.approx(s.end - zero))
        for s in spans_of(trials)
    ]


def test_a_trial_that_was_never_paused_lasts_from_its_start_to_its_end():
    assert shown([trial(0, 10, 70.5, 60.0, state=COMPLETE)]) == [("w/0", 0, 10, 70)]


def test_a_paused_trial_does_not_last_until_the_study_ends():
    """It is pruned at 1000 s, when the study ends, but was trained for 30 s."""
    assert shown([trial(0, 0, 1000, 30.0), trial(1, 31, 1000, 20.0)]) == [
        ("w/0", 0, 0, 30),
        ("w/0", 1, 31, 51),
    ]


def test_a_resumed_trial_is_known_from_its_last_start_on_and_is_marked():
    whole, part = spans_of([trial(0, 0, 40, 40.0), trial(1, 90, 120, 100.0, state=COMPLETE)])
    assert (whole.is_part, part.is_part) == (False, True)
    assert part.end - part.begin == pytest.approx(30)


def test_a_worker_trains_one_trial_after_the_other():
    """The end of trial 0 has no time: it was trained for 100 s, 80 s of these before."""
    first, second = spans_of([trial(0, 50, 1000, 100.0), trial(1, 70, 100, 30.0)])
    assert first.end == second.begin
    assert first.is_part
    assert not second.is_part


def test_a_paused_trial_that_waits_has_its_last_time():
    assert shown([trial(0, 5, None, 20.0, state=TrialState.WAITING)]) == [("w/0", 0, 5, 25)]


def test_a_running_trial_lasts_until_the_last_heartbeat_of_its_worker():
    running = trial(0, 5, None, 0.0, state=TrialState.RUNNING)
    assert shown([running]) == [("w/0", 0, 5, 5)]
    running.system_attrs = {LEASE: {"id": "a"}, BEAT: ["a", 3, 60.0, 1.0]}
    assert shown([running]) == [("w/0", 0, 5, 65)]


def test_the_time_of_a_worker_that_died_is_in_its_own_row():
    t = T0.timestamp()
    loss = {"worker": "w/9", "until": t + 40.04, "held_s": 40.0, "lost_s": 5.0}
    resumed = trial(0, 50, 80, 30.0)
    resumed.user_attrs[LOSSES] = [loss]
    assert shown([resumed]) == [("w/0", 0, 50, 80), ("w/9", 0, 0.04, 40.04)]
    failed = trial(1, 0, 900, 0.0, state=TrialState.FAIL)  # not started again
    failed.user_attrs[LOSSES] = [loss]
    assert shown([failed]) == [("w/9", 1, 0.04, 40.04)]


def test_trials_at_the_same_time_without_a_worker_lie_beside_each_other():
    """A study of plain Optuna with `n_jobs=2`."""
    four = [trial(n, 10 * n, 10 * n + 15, 15.0, worker=None) for n in range(4)]
    assert [(worker, number) for worker, number, _, _ in shown(four)] == [
        ("1", 0),
        ("2", 1),
        ("1", 2),
        ("2", 3),
    ]


def test_added_trials_and_tickets_have_no_time():
    added, ticket = trial(0, 0, 10, 10.0), create_trial(state=TrialState.WAITING)
    added.user_attrs[ADDED] = "old.csv"
    assert spans_of([added, ticket]) == []


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_the_start_of_a_trial_is_that_of_its_last_claim(kind, tmp_path):
    make = {
        "memory": InMemoryStorage,
        "sqlite": lambda: RDBStorage(f"sqlite:///{tmp_path}/s.db"),
        "journal": lambda: open_storage(str(tmp_path / "journal.log"), tmp_path),
    }
    storage = make[kind]()
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({})
    (ticket,) = study.trials
    starts = []
    for _ in range(2):
        storage.set_trial_state_values(ticket._trial_id, TrialState.RUNNING)
        starts.append(study.trials[0].datetime_start)
        storage.set_trial_state_values(ticket._trial_id, TrialState.WAITING)
    assert starts[0] < starts[1] == study.trials[0].datetime_start
