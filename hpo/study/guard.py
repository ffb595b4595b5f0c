"""A small process that ends a worker whose training has reached a time limit.

It is a process and not a thread, because code that hangs may hold Python's lock. First it sends
`signals.LIMIT`, which becomes an exception in the training. If there is no answer within the time
of grace, it stops the worker and all its descendants, writes the end of the trial under the
worker's lease, and kills them.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from commons.processes import descendants, is_stopped, kill
from hpo import signals

if TYPE_CHECKING:
    from hpo.study.lease import Lease

_log = logging.getLogger(__name__)
GRACE_S = 10.0  # for a training to end after the exception
_LOOK_S = 1.0
_MARGIN_S = 0.02  # so that the worker too sees that the limit is reached


class Guard:
    """The guard of this process, as it sees it: started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> set[int]:
        """The process of the guard, if there is one."""
        return set() if self._process is None else {self._process.pid}

    def arm(
        self, lease: Lease, left_s: float, reason: str | None, spent_s: float, polite: bool
    ) -> None:
        """End the trial of a lease in `left_s` seconds.

        Args:
            lease: of this process.
            left_s: from now on (s).
            reason: why the trial fails; None: it is given back.
            spent_s: on the trial until now (s).
            polite: whether this process understands `signals.LIMIT`.
        """
        if self._process is None:
            self._start(lease)
        trial_id, lease_id = lease.names
        self._tell(
            left_s=left_s + _MARGIN_S,
            reason=reason,
            since=time.monotonic(),  # one clock for all processes of a machine
            spent_s=spent_s,
            polite=polite,
            trial_id=trial_id,
            lease_id=lease_id,
        )

    def disarm(self) -> None:
        """Let the process go on."""
        if self._process is not None:
            self._tell()

    def close(self) -> None:
        """End the guard."""
        process, self._process = self._process, None
        if process is not None:
            # A child of the training may have the pipe open, so its end may not be seen.
            process.kill()
            process.communicate()

    def _start(self, lease: Lease) -> None:
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)  # noqa: PTH100
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.study.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
        storage = lease.packed_storage()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{os.getpid()} {GRACE_S} {len(storage)}\n".encode() + storage)
        self._process.stdin.flush()
        os.set_blocking(self._process.stdin.fileno(), False)

    def _tell(self, **order: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), json.dumps(order).encode() + b"\n")
        except BlockingIOError:  # it was stopped; it counts on from what it knows
            pass
        except BrokenPipeError:
            _log.warning("the guard of the time limits is gone; the next trial has a new one")
            self.close()


class _Orders:
    """What the worker says, read from the standard input."""

    def __init__(self) -> None:
        self._buffer = b""
        self.is_open = True

    def line(self) -> bytes:
        while b"\n" not in self._buffer and self.is_open:
            self.read()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def bytes(self, size: int) -> bytes:
        while len(self._buffer) < size and self.is_open:
            self.read()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def last(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the last order that comes within some time; None: there was none."""
        if b"\n" not in self._buffer:
            if not select.select([0], [], [], timeout_s)[0]:
                return None
            self.read()
        *whole, self._buffer = self._buffer.split(b"\n")
        return json.loads(whole[-1]) if whole else None

    def read(self) -> None:
        data = os.read(0, 1 << 16)
        self._buffer += data
        self.is_open = bool(data)


def _watch(orders: _Orders, worker: int, grace_s: float, storage: bytes) -> None:
    order: dict[str, Any] = {}
    left_s, told, looked = math.inf, False, time.monotonic()
    while orders.is_open and os.getppid() == worker:
        new = orders.last(max(_MARGIN_S, min(_LOOK_S, left_s)))
        # While this process or the worker was stopped, no time has passed for the training.
        ran_s = 0.0 if is_stopped(worker) else min(time.monotonic() - looked, 2 * _LOOK_S)
        looked, left_s = time.monotonic(), left_s - ran_s
        if new is not None:
            late_s = _late_s(new, looked)
            order, left_s, told = new, new.get("left_s", math.inf) - late_s, False
            begin = looked - late_s
        elif left_s > 0:
            continue
        elif order["polite"] and not told:
            os.kill(worker, signals.LIMIT)
            left_s, told = grace_s, True
        else:
            order["spent_s"] += looked - begin
            _end(worker, order, storage)
            return


def _late_s(order: dict[str, Any], now: float) -> float:
    """Return how long an order was on its way: the first one waits until this process has begun.

    No more than two looks, because both processes may have been stopped meanwhile.
    """
    sent: float = order.get("since", now)
    return min(now - sent, 2 * _LOOK_S)


def _end(worker: int, order: dict[str, Any], storage: bytes) -> None:
    """Write the end of the trial while the worker is stopped, then kill it."""
    why = order["reason"] or "the time of the study is over"
    try:
        _stop_all(worker)
        if storage:
            from hpo.study.lease import end_for_owner

            end_for_owner(
                pickle.loads(storage),
                order["trial_id"],
                order["lease_id"],
                order["reason"],
                order["spent_s"],
            )
    finally:
        kill({worker, *descendants(worker)} - {os.getpid()})
        text = f"hpo: {why}; process {worker} could not be interrupted and was killed with all"
        sys.stderr.write(f"{text} that it had started; a new one goes on with the next trial\n")


def _stop_all(worker: int) -> None:
    stopped: set[int] = set()
    while new := {worker, *descendants(worker)} - {os.getpid()} - stopped:
        kill(new, signal.SIGSTOP)
        stopped |= new


def main() -> None:
    """Read what the worker is and what it may, and watch it."""
    orders = _Orders()
    worker, grace_s, size = orders.line().split()
    _watch(orders, int(worker), float(grace_s), orders.bytes(int(size)))


if __name__ == "__main__":
    main()
