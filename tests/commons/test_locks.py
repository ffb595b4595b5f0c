import errno
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

from commons.lock_files import read_owner
from commons.locks import FileLock
from commons.processes import this_host

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing"


@pytest.fixture
def start():
    """Starts a process of locking.py; kills what is left at the end."""
    processes = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "locking.py"), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def leave_behind(path, **changes):
    """Make a lock file as a process of another host has left it."""
    content = {"host": "elsewhere", "pid": 1, "token": "theirs", **changes}
    path.with_name("thing.lock").write_text(json.dumps(content))


def test_only_one_process_at_a_time_holds_the_lock(path, start):
    path.write_text("0")
    for process in [start("count", path, 100) for _ in range(6)]:
        assert process.wait(60) == 0
    assert path.read_text() == "600"


def test_only_one_thread_at_a_time_holds_a_shared_lock(path):
    lock, inside, most = FileLock(path), [], []

    def work():
        for _ in range(20):
            with lock:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 80


def test_nothing_is_left_when_the_lock_is_released(path, tmp_path):
    lock = FileLock(path)
    with lock:
        assert read_owner(lock.file).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_the_place_of_the_lock_is_fixed_when_it_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    lock = FileLock("thing")
    monkeypatch.chdir(tmp_path / "other")
    with pickle.loads(pickle.dumps(lock)):
        assert (tmp_path / "thing.lock").exists()


def test_the_lock_of_a_killed_process_is_broken_at_once(path, start):
    owner = start("hold", path)
    assert owner.stdout.readline() == "held\n"
    owner.kill()  # and not waited for: a zombie is as dead
    begin = time.monotonic()
    with FileLock(path):
        assert time.monotonic() - begin < 1


def test_the_lock_of_a_living_process_is_waited_for(path, start, caplog):
    owner = start("hold", path)
    assert owner.stdout.readline() == "held\n"
    threading.Timer(0.5, owner.kill).start()
    begin = time.monotonic()
    with FileLock(path, grace_s=0.05):
        assert time.monotonic() - begin > 0.4


def test_the_lock_of_a_stopped_process_is_broken_after_the_grace_period(path, start, caplog):
    owner = start("hold", path)
    assert owner.stdout.readline() == "held\n"
    owner.send_signal(signal.SIGSTOP)
    with FileLock(path, grace_s=0.1):
        assert f"broke the lock left behind by process {owner.pid} of" in caplog.text


def test_nobody_waits_for_a_lock_when_that_is_needless(path):
    asked = []

    def needless():
        asked.append(len(asked))
        return len(asked) == 3

    lock = FileLock(path)
    with lock.unless(needless) as held:
        assert held
        assert asked == []
        with FileLock(path).unless(needless) as other:
            assert not other
        assert asked == [0, 1, 2]
        assert lock.file.exists()
    assert not lock.file.exists()
    with pytest.raises(ValueError, match="no luck"), lock.unless(needless):
        raise ValueError("no luck")
    assert not lock.file.exists()


def test_a_lock_that_this_process_could_not_remove_is_no_obstacle_to_it(path, monkeypatch):
    def failing(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    lock = FileLock(path)
    lock.acquire()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", failing)
        with pytest.raises(OSError, match="Input/output"):
            lock.release()
    assert lock.file.exists()
    with FileLock(path, grace_s=60):
        pass
    assert not lock.file.exists()


def optunas(kind):
    def make(path):
        path.touch()
        kind(str(path)).acquire()

    return make


@pytest.mark.parametrize(
    "make",
    [
        leave_behind,
        lambda path: leave_behind(path, host=this_host(), pid=os.getpid()),
        lambda path: path.with_name("thing.lock").touch(),
        lambda path: path.with_name("thing.lock").write_bytes(b"\0" * 40),
        optunas(JournalFileOpenLock),
        optunas(JournalFileSymlinkLock),
    ],
    ids=["another host", "living", "empty", "garbage", "Optuna open", "Optuna symlink"],
)
def test_a_lock_that_no_process_touches_is_broken_after_the_grace_period(path, make, caplog):
    make(path)
    begin = time.monotonic()
    with FileLock(path, grace_s=0.6):
        assert time.monotonic() - begin > 0.55
    assert "broke the lock left behind by" in caplog.text
    assert not list(path.parent.glob("*.lock*"))


def test_a_lock_that_is_refreshed_is_not_broken(path):
    owner, got = FileLock(path), []
    owner.acquire()
    waiter = threading.Thread(
        target=lambda: (FileLock(path, grace_s=0.5).acquire(), got.append(time.monotonic()))
    )
    waiter.start()
    for _ in range(10):
        time.sleep(0.15)
        owner.refresh()
    assert not got
    owner.release()
    waiter.join(10)
    assert got


def test_a_broken_lock_is_not_taken_from_its_new_owner(path, caplog, monkeypatch):
    slow, new = FileLock(path, grace_s=0.3), FileLock(path, grace_s=0.3)
    with monkeypatch.context() as patch:
        patch.setattr("commons.lock_files.this_host", lambda: "elsewhere")
        slow.acquire()
    new.acquire()  # breaks it
    slow.release()
    assert "broke this lock because it was held too long" in caplog.text
    assert read_owner(new.file).token == new._held.token
    new.release()
    assert not new.file.exists()


def test_of_many_waiters_one_breaks_and_none_hits_the_next_owner(path, start, caplog):
    path.write_text("0")
    for _ in range(5):
        leave_behind(path, host=this_host(), pid=2**22 + 1)
        for process in [start("count", path, 10) for _ in range(4)]:
            assert process.wait(60) == 0
    assert path.read_text() == "200"


def test_only_the_lock_that_was_seen_is_broken(path):
    leave_behind(path)
    lock = FileLock(path)
    seen = read_owner(lock.file)
    leave_behind(path, token="another")
    assert not lock._break(seen)
    assert read_owner(lock.file).token == "another"
    assert lock._break(read_owner(lock.file))


def test_no_process_breaks_a_lock_that_another_one_is_breaking(path):
    leave_behind(path)
    lock = FileLock(path)
    lock._breaker.write_text(json.dumps({"host": "elsewhere", "pid": 1, "token": "b"}))
    assert not lock._break(read_owner(lock.file))
    assert lock.file.exists()


def test_who_died_while_breaking_is_replaced(path):
    leave_behind(path)
    lock = FileLock(path, grace_s=0.3)
    lock._breaker.write_text(json.dumps({"host": "elsewhere", "pid": 1, "token": "b"}))
    with lock:
        assert not lock._breaker.exists()


def test_a_lock_left_behind_can_be_removed_without_taking_it(path, start):
    lock = FileLock(path, grace_s=0.3)
    assert lock.break_orphaned() is None
    leave_behind(path)
    assert lock.break_orphaned().token == "theirs"
    assert not lock.file.exists()
    owner = start("hold", path)
    assert owner.stdout.readline() == "held\n"
    assert FileLock(path, grace_s=0.05).break_orphaned() is None
    assert lock.file.exists()
    owner.kill()
    owner.wait()
    assert FileLock(path, grace_s=30).break_orphaned().pid == owner.pid


@pytest.mark.parametrize("what", ["wait_for", "wait_for the free"])
def test_an_interruption_leaves_nothing_behind(path, start, what, wait_until):
    held = FileLock(path)
    if what == "wait_for":
        held.acquire()
    process = start("wait_for", path)
    assert process.stdout.readline() == "waiting\n"
    if what == "wait_for":
        time.sleep(0.1)
    else:
        assert process.stdout.readline() == "got it\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    process.wait(10)
    if what == "wait_for":
        held.release()
    assert not list(path.parent.glob("*.lock*"))


def test_interruptions_at_any_moment_leave_nothing_behind(path):
    lock, n = FileLock(path), 0

    def interrupt(_, frame):
        if frame.f_code is FileLock.__exit__.__code__ and frame.f_lasti < 4:
            # Before its first statement: no code can help that, but the file is found orphaned.
            signal.setitimer(signal.ITIMER_REAL, 5e-5)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for round_ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + 3e-6 * round_)
                while True:
                    with lock:
                        pass
            except KeyboardInterrupt:
                n += 1
            assert not lock.file.exists()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert n == 300


def test_the_holder_cannot_take_the_lock_again_and_no_other_thread_can_release_it(path):
    lock = FileLock(path)
    with pytest.raises(RuntimeError, match="does not hold"):
        lock.release()
    with lock, pytest.raises(RuntimeError, match="holds the lock already"):
        lock.acquire()
    assert not lock.file.exists()


def test_a_lock_that_cannot_be_made_is_an_error_and_not_a_wait(tmp_path):
    with pytest.raises(FileNotFoundError), FileLock(tmp_path / "no" / "thing"):
        pass
    with pytest.raises(ValueError, match="grace_s must be greater than 0, got 0"):
        FileLock(tmp_path / "thing", grace_s=0)


def test_a_disk_too_full_for_the_owner_leaves_no_lock(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("commons.lock_files.os.write", full)
    with pytest.raises(OSError, match="No space left"):
        FileLock(path).acquire()
    assert not path.with_name("thing.lock").exists()


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO)


def test_a_lock_that_is_kept_fresh_outlives_its_grace(path, start, monkeypatch, caplog):
    monkeypatch.setattr(
        "commons.lock_files.this_host", lambda: "elsewhere"
    )  # its process says nothing
    monkeypatch.setattr("commons.locks._MESSAGE_S", 0.1)
    caplog.set_level(logging.INFO)
    process = start("keep", path, 0.3)
    assert process.stdout.readline() == "held\n"
    with FileLock(path, grace_s=0.3):
        assert process.stdout.read() == "released\n"
    (record,) = caplog.records
    assert record.getMessage().startswith("waiting for process ")


def test_a_lock_that_was_kept_fresh_is_free_at_the_end(path, tmp_path, wait_until):
    with FileLock(path, grace_s=0.04).kept_fresh():
        before = path.with_name("thing.lock").stat().st_mtime_ns
        wait_until(lambda: path.with_name("thing.lock").stat().st_mtime_ns > before)
    assert not list(tmp_path.iterdir())
