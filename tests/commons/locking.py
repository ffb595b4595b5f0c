"""What other processes do in the tests of the lock and the journal: `locking.py WHAT FILE ...`."""

import os
import signal
import sys
import time
from pathlib import Path

from commons.locks import FileLock
from hpo.storage.journal import JournalFile


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def hold(path):
    """Take the lock, say so and keep it."""
    FileLock(path).acquire()
    say("held")
    time.sleep(60)


def keep(path, grace_s):
    """Hold the lock for some of its grace periods, kept fresh; say so at both ends."""
    with FileLock(path, grace_s=float(grace_s)).kept_fresh():
        say("held")
        time.sleep(4 * float(grace_s))
        say("released")


def wait_for(path):
    """Wait for the lock until interrupted; say how it ended."""
    say("waiting")
    try:
        with FileLock(path):
            say("got it")
            time.sleep(60)
    except KeyboardInterrupt:
        say("interrupted")


def count(path, n):
    """Add 1 to the number in the file, `n` times."""
    lock = FileLock(path)
    for _ in range(int(n)):
        with lock:
            value = int(Path(path).read_text())
            Path(path).write_text(str(value + 1))


def append(path, name, n):
    """Append `n` records."""
    journal = JournalFile(path)
    for step in range(int(n)):
        journal.append_logs([value(name, step)])


def die_writing(path):
    """Die in the middle of a record, with the lock in hand."""
    FileLock(path).acquire()
    with Path(path).open("ab") as file:
        file.write(b'{"op_code":7,"worker_id":"w","trial_id":0,"step":3,"interme')
    os.kill(os.getpid(), signal.SIGKILL)


def value(name, step):
    return {
        "op_code": 7,
        "worker_id": name,
        "trial_id": 0,
        "step": step,
        "intermediate_value": 0.5,
    }


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
