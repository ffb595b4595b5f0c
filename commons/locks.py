"""An exclusive lock made of a file, for file systems that many hosts share.

It needs nothing but the exclusive creation of a file, which NFS (version 3 and later), GPFS,
Lustre and BeeGFS grant to one claimant only; `flock` and `fcntl` are often switched off there. The
file says who owns the lock, so that one left behind by a dead process is found out and broken.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from commons.processes import is_alive, this_host

MAX_PAUSE_S = 0.02
_LOOK_S = 0.05
# Not the common generator: the application may have seeded that to be reproducible.
_jitter = random.SystemRandom()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """Who made a lock file. Two of them are equal if it is the same file, untouched.

    Attributes:
        host: as `commons.processes.this_host` names it; empty if the file does not say.
        pid: 0 if the file does not say.
        token: unique to one acquisition; empty if the file does not say.
        inode: of the file.
        modified_ns: time of its last modification, by the clock of the file system.
    """

    host: str
    pid: int
    token: str
    inode: int
    modified_ns: int

    @property
    def is_dead(self) -> bool:
        """Known to be dead: a process number of another host proves nothing."""
        return self.host == this_host() and not is_alive(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} of {self.host.split()[0]}" if self.host else "somebody unknown"


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
    except (OSError, ValueError, KeyError, TypeError):
        told = "", 0, ""
    finally:
        os.close(descriptor)
    return Owner(*told, status.st_ino, status.st_mtime_ns)


class FileLock:
    """An exclusive lock on `path`: the file `<path>.lock` exists while somebody holds it.

    Optuna's journal accepts it as a lock too. The threads of a process may share one. Waiting
    polls at least every 20 ms, so that nobody falls behind while others come and go.

    A lock whose owner is a dead process of this host is broken at once, any other one when its
    file has not changed for `grace_s`, as seen by the waiting process (clocks of hosts differ).

    Args:
        path: what is protected; made absolute here and now.
        grace_s: greater than 0, and longer than anybody holds the lock without `refresh`.

    Raises:
        ValueError: `grace_s` is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], grace_s: float = 10.0) -> None:
        if not grace_s > 0:
            raise ValueError(f"grace_s must be greater than 0, got {grace_s}")
        self._path = Path(path).absolute()
        self.file = self._path.with_name(self._path.name + ".lock")
        # Whoever removes a lock that is not surely his own makes this file first.
        self._breaker = self._path.with_name(self._path.name + ".lock.break")
        self._grace_s = grace_s
        self._threads = threading.RLock()  # knows its owner; not meant to be entered twice
        self._held = _Held()
        self._patience_with_breaker = _Patience(grace_s)

    def __reduce__(self) -> tuple[type[FileLock], tuple[str, float]]:
        return FileLock, (str(self._path), self._grace_s)

    def __enter__(self) -> FileLock:
        try:
            self.acquire()
            return self
        except BaseException:  # maybe a signal between the two lines above
            self._leave()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self.release()
        except BaseException:  # maybe a signal before the release had really begun
            self._leave()
            raise

    def acquire(self) -> bool:
        """Wait for the lock; an interruption of the waiting leaves nothing behind.

        Returns:
            True, for Optuna.

        Raises:
            OSError: the lock file cannot be made: no such folder, no permission, disk full.
            RuntimeError: this thread holds it already.
        """
        if self._held.token:
            raise RuntimeError(f"{self.file}: this thread holds the lock already")
        try:
            self._threads.acquire()
            self._held.token = uuid.uuid4().hex
            self._wait()
            self._held.since = time.monotonic()
        except BaseException:
            self._leave()
            raise
        return True

    def refresh(self) -> None:
        """Tell those who wait that the owner lives; for work that lasts longer than `grace_s`."""
        if self._is_mine():
            os.utime(self.file)
            self._held.since = time.monotonic()

    def release(self) -> None:
        """Give the lock back. One that was broken meanwhile is left alone, and the log says so.

        Raises:
            RuntimeError: this thread does not hold the lock.
        """
        if not self._held.token:
            raise RuntimeError(f"{self.file}: this thread does not hold the lock")
        if not self._leave():
            _log.warning(
                "%s: this lock was held for so long that others broke it; what was written "
                "meanwhile may be damaged (python -m hpo.doctor tells)",
                self.file,
            )

    def break_orphaned(self) -> Owner | None:
        """Remove a lock file left behind, without taking the lock; return whose it was.

        None: there is none, or whoever holds the lock lives. This takes up to `grace_s`.
        """
        patience = _Patience(self._grace_s)
        first = owner = read_owner(self.file)
        while owner is not None and owner == first:
            if patience.is_over(owner) and self._break(owner):
                return owner
            time.sleep(MAX_PAUSE_S)
            owner = read_owner(self.file)
        return None

    def _wait(self) -> None:
        patience = _Patience(self._grace_s)
        limit_s, next_look = 0.001, time.monotonic() + _LOOK_S
        while not _create(self.file, self._held.token):
            if time.monotonic() > next_look:
                owner = read_owner(self.file)
                if owner is not None and patience.is_over(owner) and self._break(owner):
                    _log.warning("%s: broke the lock left behind by %s", self.file, owner)
                    continue
                next_look = time.monotonic() + _LOOK_S
            time.sleep(limit_s * _jitter.uniform(0.1, 1))
            limit_s = min(2 * limit_s, MAX_PAUSE_S)

    def _break(self, seen: Owner) -> bool:
        """Remove the lock file if it still is the one seen; False too if another one is at it."""
        token = uuid.uuid4().hex
        if not _create(self._breaker, token):
            other = read_owner(self._breaker)
            if other is not None and self._patience_with_breaker.is_over(other):
                self._breaker.unlink(missing_ok=True)
            return False
        try:
            if not _has(self._breaker, token) or read_owner(self.file) != seen:
                return False
            self.file.unlink(missing_ok=True)
            return True
        finally:
            if _has(self._breaker, token):
                self._breaker.unlink(missing_ok=True)

    def _leave(self) -> bool:
        """Undo whatever `acquire` has done; tell whether the lock was still ours."""
        try:
            try:
                return self._remove()
            except BaseException:  # interrupted: what was begun has to be finished
                self._remove()
                raise
        finally:
            self._held.token, self._held.since = "", 0.0
            with suppress(RuntimeError):  # interrupted before this thread had it
                self._threads.release()

    def _remove(self) -> bool:
        long_held = self._held.since + self._grace_s / 2 < time.monotonic()
        while self._is_mine():
            if not (self._held.since and long_held):
                self.file.unlink(missing_ok=True)
                return True
            # Somebody may be about to break it: if he removed it between our look and our
            # removal, ours would hit the lock of a third one.
            owner = read_owner(self.file)
            if owner is not None and self._break(owner):
                return True
            time.sleep(MAX_PAUSE_S)
        return False

    def _is_mine(self) -> bool:
        return bool(self._held.token) and _has(self.file, self._held.token)


class _Held(threading.local):
    """The acquisition of the lock by this thread, if there is one."""

    token = ""
    since = 0.0


class _Patience:
    """Tells when the owner of a file has been waited for long enough."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._seen: Owner | None = None
        self._since = 0.0

    def is_over(self, owner: Owner) -> bool:
        if owner != self._seen:
            self._seen, self._since = owner, time.monotonic()
        return owner.is_dead or time.monotonic() - self._since > self._grace_s


def _has(lock_file: Path, token: str) -> bool:
    owner = read_owner(lock_file)
    return owner is not None and owner.token == token


def _create(lock_file: Path, token: str) -> bool:
    """Make the file with its owner in it; False if it exists. All or nothing, even interrupted."""
    content = json.dumps({"host": this_host(), "pid": os.getpid(), "token": token}).encode()
    made: list[int] = []
    try:
        # Within one call of C code: no signal can come between making the file and noting it.
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
