"""The files that locks are made of, and who has made them; see `commons.locks`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from commons.clocks import OwnTime
from commons.processes import born, is_alive, is_stopped, this_host

owned: set[str] = set()  # the acquisitions of this process that have not ended


@dataclass(frozen=True)
class Owner:
    """The process that made a lock file. Equal if it is the same file, untouched.

    Attributes:
        host: as `commons.processes.this_host` names it; empty if the file does not say.
        pid: 0 if the file does not say.
        token: unique to one acquisition; empty if the file does not say.
        inode: of the file.
        modified_ns: time of its last modification, by the clock of the file system.
        born: when the process was started, see `commons.processes.born`; None if the file does
            not say: another process may have the number by now.
    """

    host: str
    pid: int
    token: str
    inode: int
    modified_ns: int
    born: int | None = None

    @property
    def is_dead(self) -> bool:
        """Known to be dead: a process number of another host proves nothing.

        Dead too is an acquisition of this process that has ended but could not remove its file.
        """
        if self.host != this_host():
            return False
        is_left = self.born is not None and self.pid == os.getpid() and self.token not in owned
        return is_left or not is_alive(self.pid, self.born)

    @property
    def is_at_work(self) -> bool:
        """Known to be alive and not stopped, however long it has had no core."""
        is_known = self.host == this_host() and self.born is not None
        return is_known and is_alive(self.pid, self.born) and not is_stopped(self.pid)

    def __str__(self) -> str:
        if not self.host:
            return "an unknown process"
        return f"process {self.pid} of {self.host.split()[0]}"


def read_owner(lock_file: Path) -> Owner | None:
    """Return the owner of a lock file; None if there is no such file.

    Files of another make (Optuna's locks are empty files or symbolic links) have an unknown owner.
    """
    try:
        status = lock_file.lstat()
        # O_NOFOLLOW: Optuna's symbolic link leads to the journal.
        descriptor = os.open(lock_file, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError:
        return Owner("", 0, "", status.st_ino, status.st_mtime_ns)
    try:
        status = os.fstat(descriptor)
        content = json.loads(os.read(descriptor, 4096))
        told = str(content["host"]), int(content["pid"]), str(content["token"])
        since = content.get("born")
    except (OSError, ValueError, KeyError, TypeError):
        told, since = ("", 0, ""), None
    finally:
        os.close(descriptor)
    began = since if type(since) is int else None
    return Owner(*told, status.st_ino, status.st_mtime_ns, began)


class Patience:
    """Tells when the owner of a lock file has been waited for long enough.

    Args:
        grace_s: for which a file may stay unchanged whose owner is not known to be at work.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._own_time = OwnTime(grace_s / 3)
        self._seen: Owner | None = None
        self._since = 0.0

    def is_over(self, owner: Owner) -> bool:
        """Look at the owner; tell whether it may be replaced."""
        now = self._own_time()
        if owner != self._seen or owner.is_at_work:
            self._seen, self._since = owner, now
        return owner.is_dead or now - self._since > self._grace_s


def has(lock_file: Path, token: str) -> bool:
    """Tell whether a lock file is that of an acquisition."""
    owner = read_owner(lock_file)
    return owner is not None and owner.token == token


@lru_cache(maxsize=8)  # a process that waits tries again and again
def _owned(token: str, pid: int) -> bytes:
    told = {"host": this_host(), "pid": pid, "token": token, "born": _born(pid)}
    return json.dumps(told).encode()


@lru_cache(maxsize=1)  # a forked process has another number
def _born(pid: int) -> int | None:
    return born(pid)


def create(lock_file: Path, token: str) -> bool:
    """Make the file with its owner in it, whole or not at all; False if it exists."""
    content, made = _owned(token, os.getpid()), list[int]()
    try:
        # One call of C code: no signal can come between making the file and noting it.
        made.extend(map(os.open, (lock_file,), (os.O_CREAT | os.O_EXCL | os.O_WRONLY,), (0o666,)))
        os.write(made[0], content)
    except FileExistsError:
        return False
    except BaseException:
        if made:
            lock_file.unlink(missing_ok=True)
        raise
    finally:
        for descriptor in made:
            os.close(descriptor)
    return True
