import os
import subprocess

import pytest

from commons.clocks import OwnTime
from commons.lock_files import Owner, Patience, create, has, owned, read_owner
from commons.processes import born, is_alive, this_host


def owner(pid, token="t", since=None, host=None):
    return Owner(host or this_host(), pid, token, 1, 1, since)


def test_a_dead_process_number_of_another_host_proves_nothing():
    dead = subprocess.Popen(["true"])
    dead.wait()
    assert Owner("elsewhere", dead.pid, "t", 1, 1).is_dead is False
    assert Owner(this_host(), dead.pid, "t", 1, 1).is_dead is True
    assert is_alive(os.getpid())


def test_another_process_that_has_the_number_is_not_the_owner():
    pid, since = os.getppid(), born(os.getppid())
    assert owner(pid, since=since).is_at_work
    assert not owner(pid, since=since).is_dead
    assert owner(pid, since=since - 1).is_dead
    assert not owner(pid, since=since - 1).is_at_work


def test_of_a_process_that_is_not_named_for_ever_nothing_is_known():
    assert not owner(os.getppid()).is_at_work
    assert not owner(os.getppid()).is_dead
    assert not owner(os.getppid(), since=born(os.getppid()), host="elsewhere").is_at_work


def test_an_acquisition_of_this_process_is_alive_until_it_has_ended():
    mine = owner(os.getpid(), "mine", born(os.getpid()))
    owned.add("mine")
    assert not mine.is_dead
    owned.discard("mine")
    assert mine.is_dead


def test_a_lock_file_names_its_owner_for_ever(tmp_path):
    assert create(tmp_path / "a.lock", "t")
    assert not create(tmp_path / "a.lock", "u")
    assert has(tmp_path / "a.lock", "t")
    read = read_owner(tmp_path / "a.lock")
    assert (read.host, read.pid, read.token, read.born) == (
        *(this_host(), os.getpid(), "t", born(os.getpid())),
    )


@pytest.mark.parametrize("began", ["null", '"x"', "true"])
def test_a_lock_file_of_another_make_has_an_owner_of_unknown_age(tmp_path, began):
    file = tmp_path / "a.lock"
    file.write_text(f'{{"host": "h", "pid": 5, "token": "t", "born": {began}}}')
    assert read_owner(file).born is None
    assert read_owner(file).pid == 5


def test_an_owner_at_work_is_waited_for_without_end():
    patience = Patience(3.0)
    looks = iter(range(0, 100, 2))
    patience._own_time = lambda: next(looks)
    at_work = owner(os.getppid(), since=born(os.getppid()))
    assert not any(patience.is_over(at_work) for _ in range(10))


def test_the_time_in_which_a_waiting_process_was_stopped_does_not_count():
    owner, patience = Owner("elsewhere", 1, "t", 1, 1), Patience(3.0)
    looks = iter([0.0, 1.0, 500.0, 501.0, 502.0])
    patience._own_time = OwnTime(1.0, lambda: next(looks))
    assert [patience.is_over(owner) for _ in range(4)] == [False, False, False, False]
    looks = iter([503.0])
    assert patience.is_over(owner)
