import subprocess
import threading

import optuna
import pytest
from optuna.trial import TrialState

from commons.locks import FileLock
from commons.processes import this_host
from hpo.attributes import BEAT, LEASE, PARENT
from hpo.search.lineage import Origin
from hpo.search.pausing import PausingPruner
from hpo.storage.patient import PatientStorage
from hpo.study.lease import Lease, was_started
from hpo.study.observation import Observer
from hpo.study.portions import issue_tickets, study_lock
from hpo.study.tickets import Tickets


@pytest.fixture(params=["journal", "sqlite", "postgresql", "grpc"])
def pair(request, storages, tmp_path):
    """Two storages on one study of three tickets, as two workers have them."""
    first, second = storages(request.param), storages(request.param)
    with study_lock(tmp_path) as lock:
        issue_tickets(optuna.create_study(storage=first, study_name="s"), 3, lock=lock)
    return first, second


@pytest.fixture
def tickets(pair, tmp_path):
    """Makes the tickets as one of the two workers sees them."""

    def make(worker=0, n_trials=3, pruner=None, lease_s=60.0):
        return Tickets(
            pair[worker],
            "s",
            folder=tmp_path,
            n_trials=n_trials,
            pruner=pruner,
            lease_s=lease_s,
            max_retries=3,
        )

    return make


def study(storage):
    return optuna.load_study(study_name="s", storage=storage)


def pause(storage, trial, *values):
    """What a worker does that trains a trial until it is paused."""
    with Lease(storage, trial._trial_id, 60) as lease:
        for step, value in enumerate(values, 1):
            storage.set_trial_intermediate_value(trial._trial_id, step, value)
        lease.give_back(paused_at=len(values))


class Prefers(PausingPruner):
    """Resumes the trial of a number, if it is paused."""

    def __init__(self, number, begin=True):
        self.number, self.begin = number, begin

    def may_begin(self, study):
        return self.begin

    def pause(self, study, trial):
        return True

    def choose(self, study, paused):
        return next((trial for trial in paused if trial.number == self.number), None)


def test_trials_that_the_study_began_with_are_none_of_the_budget(pair, tickets):
    two = tickets(n_trials=1)
    two.n_added = 2
    assert [trial.number for trial in two.added()] == [0, 1]
    assert [trial.number for trial in two.trials()] == [2]


def test_each_ticket_is_taken_once(tickets):
    workers = [tickets(0), tickets(1)]
    taken = [workers[i % 2].take() for i in range(4)]
    assert [trial.number if trial else None for trial in taken] == [0, 1, 2, None]


def test_a_ticket_that_another_worker_has_taken_meanwhile_is_not_granted(pair, tickets):
    seen = tickets(0).trials(TrialState.WAITING)[0]
    assert tickets(1).take().number == seen.number
    assert not pair[0].set_trial_state_values(seen._trial_id, TrialState.RUNNING)


def test_tickets_beyond_the_budget_are_left_alone(tickets):
    assert tickets(n_trials=1).take().number == 0
    assert tickets(n_trials=1).take() is None


@pytest.fixture
def few(monkeypatch):
    """Portions of one ticket, and two more for each running trial."""
    monkeypatch.setattr("hpo.study.portions._SPARE", 1)


def waiting(storage):
    return len(study(storage).get_trials(states=(TrialState.WAITING,)))


def test_a_large_budget_has_few_tickets_at_a_time(pair, tickets, tmp_path):
    with study_lock(tmp_path) as lock:
        issue_tickets(study(pair[0]), 50_000, lock=lock)
    assert waiting(pair[0]) == 16
    workers = [tickets(i % 2, n_trials=50_000) for i in range(12)]
    taken = [worker.take() for worker in workers]
    assert [trial.number for trial in taken] == [*range(12)]
    assert 6 <= waiting(pair[0]) <= 16 + 2 * 12


def test_a_worker_waits_for_new_tickets_only_if_very_few_are_left(
    pair, tickets, tmp_path, monkeypatch
):
    monkeypatch.setattr("hpo.study.portions._SPARE", 5)
    workers, got = [tickets(i % 2, n_trials=50) for i in range(3)], []
    with study_lock(tmp_path):  # another worker creates tickets
        assert [worker.take().number for worker in workers[:2]] == [0, 1]
        assert waiting(pair[0]) == 1
        waits = threading.Thread(target=lambda: got.append(workers[2].take().number))
        waits.start()
        waits.join(0.3)
        assert got == []
    waits.join()
    assert got == [2]
    assert waiting(pair[0]) == 5 + 2 * 2 - 1


def test_totals_are_exact_with_portions_and_several_budgets(pair, tickets, few):
    numbers = []
    for budget in (4, 7, 5):
        workers = [tickets(0, n_trials=budget), tickets(1, n_trials=budget)]
        while trial := workers[len(numbers) % 2].take():
            numbers.append(trial.number)
            assert waiting(pair[0]) <= 3 + 2 * 2
            state = TrialState.FAIL if trial.number % 3 else TrialState.PRUNED
            study(pair[0]).tell(trial.number, state=state)
        for worker in workers:
            worker.look()
            assert (worker.n_finished, worker.n_waiting) == (budget, 0)
    assert numbers == [*range(7)]


def test_trials_to_come_count_as_waiting(tickets, few):
    worker = tickets(n_trials=100)
    worker.take()
    worker.look()
    assert (worker.n_finished, worker.n_waiting) == (0, 99)


def test_while_the_budget_has_more_a_policy_sees_that_trials_are_to_come(pair, tickets, few):
    class Counts(Prefers):
        def choose(self, study, paused):
            waiting = study.get_trials(states=(TrialState.WAITING,))
            self.new = [trial for trial in waiting if not trial.intermediate_values]
            return None if self.new else super().choose(study, paused)

    policy = Counts(0)
    for number in range(8):
        trial = tickets(0, n_trials=8, pruner=policy).take()
        assert trial.number == number
        pause(pair[0], trial, 1.0)
    assert tickets(0, n_trials=8, pruner=policy).take().number == 0
    assert policy.new == []


def test_trials_without_a_ticket_that_may_not_begin_end_too(pair, tickets, few):
    done = tickets(n_trials=120).take()
    study(pair[0]).tell(done.number, 0.5)
    worker = tickets(1, n_trials=120, pruner=Prefers(None, begin=False))
    assert worker.take() is None
    states = [trial.state.name for trial in study(pair[0]).trials]
    assert states == ["COMPLETE"] + ["PRUNED"] * 119
    assert (worker.n_finished, worker.n_waiting) == (120, 0)


def test_tickets_are_created_one_by_one_until_the_space_is_full(pair, tickets, few):
    worker = tickets(n_trials=100)
    for number in range(3):
        assert worker.take().number == number
    assert worker.look() is not None
    worker = tickets(1, n_trials=100)
    worker.is_full = lambda: len(study(pair[0]).trials) >= before + 2
    while worker.take():  # those of a portion
        if not waiting(pair[0]):
            break
    before = len(study(pair[0]).trials)
    assert [worker.take().number, worker.take().number] == [before, before + 1]
    assert worker.take() is None


def test_no_trial_is_claimed_when_too_many_have_failed(pair, tickets):
    worker = tickets()
    worker.max_failures = 1
    for _ in range(2):
        study(pair[0]).tell(worker.take().number, state=TrialState.FAIL)
    assert not worker.too_many_failures  # as at its last look
    with worker.claimed() as claim:
        assert claim is None
    assert worker.too_many_failures
    assert waiting(pair[0]) == 1


def test_tickets_are_issued_up_to_the_budget_only(pair, tmp_path):
    with study_lock(tmp_path) as lock:
        issue_tickets(study(pair[1]), 5, lock=lock)
        issue_tickets(study(pair[0]), 2, lock=lock)
    assert len(study(pair[0]).trials) == 5


def test_a_trial_of_a_dead_worker_comes_before_new_ones(pair, tickets):
    first = tickets(0).take()
    dead = subprocess.Popen(["true"])
    dead.wait()
    owner = {"id": "i", "host": this_host(), "pid": dead.pid}
    pair[0].set_trial_system_attr(first._trial_id, LEASE, owner)
    assert tickets(1).take().number == first.number
    assert tickets(0).take().number == 1


def test_a_worker_that_has_owned_a_trial_cannot_take_it_from_the_one_that_was_faster(
    pair, tickets
):
    # Optuna's journal grants a claim to each former owner of the trial.
    trial = tickets(0).take()
    pause(pair[0], trial, 1.0)
    policy = Prefers(0)
    assert tickets(1, pruner=policy).take().number == 0
    assert not tickets(0)._claim(trial)


def test_a_trial_that_gets_nowhere_is_given_up(pair, tickets):
    for _ in range(4):
        trial = tickets(0).take()
        assert trial.number == 0
        with pytest.raises(KeyboardInterrupt), Lease(pair[0], trial._trial_id, 60):
            raise KeyboardInterrupt
    assert tickets(1).take().number == 1
    failed = study(pair[0]).trials[0]
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["fail_reason"] == "its worker died, or made no progress, 4 times"


def test_the_policy_says_which_paused_trial_goes_on_before_new_ones(pair, tickets):
    for _ in range(2):
        pause(pair[0], tickets(0).take(), 1.0)
    assert tickets(0, pruner=Prefers(1)).take().number == 1
    assert tickets(0, pruner=Prefers(None)).take().number == 2


def test_paused_trials_are_pruned_when_nothing_else_is_left(pair, tickets):
    worker = tickets(0, pruner=Prefers(None))
    done = worker.take()
    study(pair[0]).tell(done.number, 0.5)
    for value in (1.0, 2.0):
        pause(pair[0], worker.take(), value + 1, value)
    assert worker.take() is None
    trials = study(pair[0]).trials
    assert [t.state.name for t in trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [t.value for t in trials] == [0.5, 1.0, 2.0]


def test_paused_trials_wait_as_long_as_another_one_runs(pair, tickets):
    worker = tickets(0, pruner=Prefers(None))
    pause(pair[0], worker.take(), 1.0)
    for _ in range(2):
        worker.take()
    assert worker.take() is None
    assert study(pair[0]).trials[0].state == TrialState.WAITING


def test_the_furthest_paused_trial_goes_on_when_no_trial_would_be_complete(pair, tickets):
    worker = tickets(0, pruner=Prefers(None))
    for values in ((3.0, 2.0), (0.1,), (3.0, 1.5)):
        pause(pair[0], worker.take(), *values)
    assert worker.take().number == 2


def test_trials_that_may_not_begin_end_without_an_epoch(pair, tickets):
    worker = tickets(pruner=Prefers(None, begin=True))
    done = worker.take()
    pair[0].set_trial_intermediate_value(done._trial_id, 1, 0.5)
    pair[0].set_trial_state_values(done._trial_id, TrialState.COMPLETE, [0.5])
    assert tickets(1, pruner=Prefers(None, begin=False)).take() is None
    ended = study(pair[0]).trials[1:]
    assert [(t.state, t.intermediate_values) for t in ended] == [(TrialState.PRUNED, {})] * 2


def test_with_another_pruner_a_paused_trial_simply_goes_on(pair, tickets):
    pause(pair[0], tickets(0).take(), 1.0)
    assert tickets(0, pruner=optuna.pruners.NopPruner()).take().number == 0


def test_no_worker_is_declared_dead_right_after_the_storage_was_away(pair, tickets, tmp_path):
    tickets(0).take()  # its lease was never written: it counts as expired below
    patient = PatientStorage(pair[1], 1.0)
    worker = Tickets(
        patient, "s", folder=tmp_path, n_trials=3, pruner=None, lease_s=-1.0, max_retries=3
    )
    assert worker.release_abandoned() == 1
    tickets(0).take()
    import time

    patient.back_since = time.monotonic() + 10
    assert worker.release_abandoned() == 0


def test_the_lock_lets_one_in(tmp_path):
    with study_lock(tmp_path / "sweep") as lock:
        assert isinstance(lock, FileLock)
        assert any((tmp_path / "sweep").iterdir())
    assert not any((tmp_path / "sweep").iterdir())


def test_a_worker_waits_until_the_owners_of_the_last_trials_have_shown_life(
    pair, tickets, monkeypatch
):
    live, silent, done = (tickets(0).take() for _ in range(3))
    for trial in (live, silent):
        owner = {"id": str(trial.number), "host": "elsewhere", "pid": 1}
        pair[0].set_trial_system_attr(trial._trial_id, LEASE, owner)
    pair[0].set_trial_state_values(done._trial_id, TrialState.COMPLETE, [0.5])
    worker, seconds = tickets(1), []
    worker.observer = Observer(60, lambda: 10.0 * len(seconds))

    def sleep(_):
        seconds.append(10)
        pair[0].set_trial_system_attr(live._trial_id, BEAT, ["0", len(seconds)])

    monkeypatch.setattr("hpo.study.tickets.time.sleep", sleep)
    with worker.claimed() as (taken, _):
        assert taken.number == silent.number
    assert len(seconds) == 7
    pair[0].set_trial_state_values(silent._trial_id, TrialState.COMPLETE, [0.5])
    with worker.claimed() as claim:
        assert claim is None
    assert len(seconds) == 8


class Copies(PausingPruner):
    """At most two trials; all but the first have trial 0 as their parent."""

    def pause(self, study, trial):
        return False

    def choose(self, study, paused):
        return None

    def may_begin(self, study):
        return sum(was_started(t) or t.state == TrialState.RUNNING for t in study.trials) < 2

    def origin(self, study, trial):
        return Origin(0, 4, {"x": 0.25}) if trial.number else None


def test_a_new_trial_gets_its_parent_and_hyperparameters_when_it_is_claimed(pair, tickets):
    first, second = (tickets(n, pruner=Copies()).take() for n in (0, 1))
    assert PARENT not in first.system_attrs
    assert second.system_attrs[PARENT] == {"trial": 0, "step": 4}
    loaded = study(pair[0])
    trial = optuna.Trial(loaded, second._trial_id)
    assert trial.suggest_float("x", 0, 1) == 0.25


def test_trials_that_a_policy_lets_begin_are_never_too_many(pair, tickets):
    waiting = [tickets(0, pruner=Copies()).trials(TrialState.WAITING)[n] for n in range(3)]
    # Each of three workers has found that a trial may begin before one of them has claimed it.
    claimed = [tickets(n % 2, pruner=Copies())._claim(trial) for n, trial in enumerate(waiting)]
    assert claimed == [True, True, False]
    assert tickets(0, pruner=Copies()).take() is None
