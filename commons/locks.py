"""An exclusive lock made of a file, for file systems that many hosts share.

It needs nothing but the exclusive creation of a file, which NFS (version 3 and later), GPFS,
Lustre and BeeGFS grant to one claimant only; `flock` and `fcntl` are often switched off there. The
file names the owner of the lock, so that a lock left behind by a dead process is broken.
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from commons.lock_files import Owner, Patience, create, has, owned, read_owner

MAX_PAUSE_S = 0.02  # between two attempts at first, later a part of the time waited
_PART, _LONGEST_PAUSE_S = 0.125, 0.25
_LOOK_S = 0.05
_MESSAGE_S = 2.0  # a wait of this length is worth a line in the log
# Not the common generator: the application may have seeded that to be reproducible.
_jitter = random.SystemRandom()
_log = logging.getLogger(__name__)


class FileLock:
    """An exclusive lock on `path`: the file `<path>.lock` exists while the lock is held.

    Optuna's journal accepts it as a lock too. The threads of a process may share one. A waiting
    process tries again every 20 ms at least, later after an eighth of the time that it has
    waited, at most .25 s: hundreds that wait must not take the cores or the file server from the
    one that holds the lock.

    A lock whose owner is a dead process of this host is broken at once, and that of a living one
    never, unless it is stopped. Any other one is broken when its file has not changed for
    `grace_s`, as seen by the waiting process (clocks of hosts differ).

    Args:
        path: what is protected; made absolute here and now.
        grace_s: greater than 0, and longer than the lock is ever held without `refresh`.

    Raises:
        ValueError: `grace_s` is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], grace_s: float = 10.0) -> None:
        if not grace_s > 0:
            raise ValueError(f"grace_s must be greater than 0, got {grace_s}")
        self._path = Path(path).absolute()
        self.file = self._path.with_name(self._path.name + ".lock")
        # To be made before a lock is removed that may belong to another process.
        self._breaker = self._path.with_name(self._path.name + ".lock.break")
        self._grace_s = grace_s
        self._threads = threading.RLock()  # knows its owner; not meant to be entered twice
        self._held = _Held()
        self._patience_with_breaker = Patience(grace_s)

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

    @contextmanager
    def unless(self, needless: Callable[[], bool]) -> Iterator[bool]:
        """Hold the lock as `with` does, but do not wait for it when that is needless.

        Args:
            needless: asked now and then while another process has the lock.

        Yields:
            Whether the lock is held.
        """
        try:
            held = self.acquire(needless)
            yield held
            if held:
                self.release()
        except BaseException:
            self._leave()
            raise

    def acquire(self, needless: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the lock; an interruption of the waiting leaves nothing behind.

        Returns:
            True; False, without the lock: the waiting was `needless`, see `unless`.

        Raises:
            OSError: the lock file cannot be made: no such folder, no permission, disk full.
            RuntimeError: this thread holds it already.
        """
        if self._held.token:
            raise RuntimeError(f"{self.file}: this thread holds the lock already")
        try:
            self._threads.acquire()
            self._held.token = uuid.uuid4().hex
            owned.add(self._held.token)
            if self._wait(needless):
                self._held.since = time.monotonic()
                return True
        except BaseException:
            self._leave()
            raise
        self._leave()
        return False

    def refresh(self) -> None:
        """Show that the owner is alive; for work that lasts longer than `grace_s`."""
        if self._is_mine():
            os.utime(self.file)
            self._held.since = time.monotonic()

    @contextmanager
    def kept_fresh(self) -> Iterator[None]:
        """Hold the lock for work of any length: a thread refreshes it four times per `grace_s`.

        The folder is made if needed.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self:
            ended = threading.Event()
            beat = threading.Thread(target=self._beat, args=(self._held.token, ended), daemon=True)
            beat.start()
            try:
                yield
            finally:
                ended.set()
                beat.join()

    def _beat(self, token: str, ended: threading.Event) -> None:
        while not ended.wait(self._grace_s / 4):
            with suppress(OSError):  # a file system that is away for a moment
                if has(self.file, token):
                    os.utime(self.file)

    def release(self) -> None:
        """Give the lock back. One that was broken meanwhile is left alone, and the log says so.

        Raises:
            RuntimeError: this thread does not hold the lock.
        """
        if not self._held.token:
            raise RuntimeError(f"{self.file}: this thread does not hold the lock")
        if not self._leave():
            _log.warning(
                "%s: another process broke this lock because it was held too long; what was "
                "written meanwhile may be damaged (python -m hpo.doctor finds out)",
                self.file,
            )

    def break_orphaned(self) -> Owner | None:
        """Remove a lock file left behind, without taking the lock; return its owner.

        None: there is no lock file, or its owner is alive. This takes up to `grace_s`.
        """
        patience = Patience(self._grace_s)
        first = owner = read_owner(self.file)
        while owner is not None and owner == first and not owner.is_at_work:
            if patience.is_over(owner) and self._break(owner):
                return owner
            time.sleep(MAX_PAUSE_S)
            owner = read_owner(self.file)
        return None

    def _wait(self, needless: Callable[[], bool]) -> bool:
        """Return whether the lock was taken."""
        patience = Patience(self._grace_s)
        begin = time.monotonic()
        limit_s, next_look, message_at = 0.001, begin + _LOOK_S, begin + _MESSAGE_S
        next_question = begin
        while not create(self.file, self._held.token):
            if time.monotonic() >= next_question:
                if needless():
                    return False
                next_question = time.monotonic() + _LOOK_S
            if time.monotonic() > next_look:
                owner = read_owner(self.file)
                if owner is not None and patience.is_over(owner) and self._break(owner):
                    _log.warning("%s: broke the lock left behind by %s", self.file, owner)
                    continue
                if owner is not None and time.monotonic() > message_at:
                    _log.info("waiting for %s, which holds %s", owner, self.file)
                    message_at = math.inf
                next_look = time.monotonic() + _LOOK_S
            time.sleep(limit_s * _jitter.uniform(0.1, 1))
            waited_s = time.monotonic() - begin
            limit_s = min(2 * limit_s, max(MAX_PAUSE_S, _PART * waited_s), _LONGEST_PAUSE_S)
        return True

    def _break(self, seen: Owner) -> bool:
        """Remove the lock file if it is still the one seen; False too if others are doing it."""
        token = uuid.uuid4().hex
        owned.add(token)
        try:
            if not create(self._breaker, token):
                other = read_owner(self._breaker)
                if other is not None and self._patience_with_breaker.is_over(other):
                    self._breaker.unlink(missing_ok=True)
                return False
            if not has(self._breaker, token) or read_owner(self.file) != seen:
                return False
            self.file.unlink(missing_ok=True)
            return True
        finally:
            if has(self._breaker, token):
                self._breaker.unlink(missing_ok=True)
            owned.discard(token)

    def _leave(self) -> bool:
        """Undo what `acquire` has done; tell whether the lock was still ours."""
        try:
            try:
                return self._remove()
            except BaseException:  # interrupted: what was begun has to be finished
                self._remove()
                raise
        finally:
            owned.discard(self._held.token)
            self._held.token, self._held.since = "", 0.0
            with suppress(RuntimeError):  # interrupted before this thread had it
                self._threads.release()

    def _remove(self) -> bool:
        long_held = self._held.since + self._grace_s / 2 < time.monotonic()
        while self._is_mine():
            if not (self._held.since and long_held):
                self.file.unlink(missing_ok=True)
                return True
            # Another process may be about to break it: if it did so between our look and our
            # removal, we would remove the lock of a third process.
            owner = read_owner(self.file)
            if owner is not None and self._break(owner):
                return True
            time.sleep(MAX_PAUSE_S)
        return False

    def _is_mine(self) -> bool:
        return bool(self._held.token) and has(self.file, self._held.token)


class _Held(threading.local):
    """The acquisition of the lock by this thread, if there is one."""

    token = ""
    since = 0.0
