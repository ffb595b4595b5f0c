"""The job arrays of a study, and which command watches each of them.

A command that submits an array stores that in the study and changes the record as long as it
watches. If it dies or leaves, the next command takes its arrays over instead of submitting more.
No clock of another host counts: a command is gone when its record has not changed for a while.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from typing import Any

from optuna.storages import BaseStorage

from commons.processes import is_alive, this_host
from commons.terminal import one_line
from hpo.attributes import LAUNCH, all_stored
from hpo.launch.slurm.answers import advice
from hpo.launch.slurm.commands import Element, End
from hpo.launch.slurm.site import Slurm
from hpo.settings import SettingError

_log = logging.getLogger(__name__)
_WATCHER_S = 60.0
_LOOK_S = 1.0
_LISTED_AFTER_S = 20.0


class Launches:
    """The arrays that this command watches, of one study on one site."""

    def __init__(self, storage: BaseStorage, study_id: int, slurm: Slurm) -> None:
        self._storage, self._study_id, self._slurm = storage, study_id, slurm
        self._mine: dict[str, dict[str, Any]] = {}
        self._queue: dict[str, list[Element]] = {}
        self._said, self._beat = 0.0, 0
        self._gone: dict[str, Any] = {}  # the last record of each command that is gone
        self._unseen: dict[str, float] = {}
        self._forgotten: set[str] = set()  # arrays of whose end SLURM knows nothing

    def observe(self) -> None:
        """Wait until it is known which commands on other hosts are gone: up to a minute."""
        found, deadline = self._watched_elsewhere(), time.monotonic() + _WATCHER_S
        for watcher in found.values():
            text = "waiting up to %.0f s to see whether the command on %s still watches its array"
            _log.info(text, _WATCHER_S, one_line(watcher.get("host")))
        while found and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            now = self._watched_elsewhere()
            found = {key: watcher for key, watcher in found.items() if now.get(key) == watcher}
        self._gone = found

    def adopt(self) -> list[str]:
        """Take over arrays whose command is gone, holding the study's lock; return their jobs."""
        for key, launch in self._running().items():
            watcher = launch["watcher"]
            elsewhere = watcher is not None and not _is_here(watcher)
            watched = self._gone.get(key) != watcher if elsewhere else _is_alive(watcher)
            if not watched:
                self._mine[key] = launch
        self.say_present()
        return [launch["job"] for launch in self._mine.values()]

    def _watched_elsewhere(self) -> dict[str, Any]:
        watchers = {key: launch["watcher"] for key, launch in self._running().items()}
        return {k: w for k, w in watchers.items() if w is not None and not _is_here(w)}

    def _running(self) -> dict[str, dict[str, Any]]:
        queue = self._slurm.queue() or {}
        records = all_stored(self._storage.get_study_user_attrs(self._study_id), LAUNCH)
        own = {"watcher": None, "ranks": self._slurm.options.shape.ranks}
        # Those of other ranks are of another crew, where trials grow.
        launches = {k: own | r for k, r in records.items() if (own | r)["ranks"] == own["ranks"]}
        return {key: launch for key, launch in launches.items() if launch["job"] in queue}

    def add(self, launch_id: str, job_id: str) -> None:
        """Store an array that this command has just submitted."""
        shape = self._slurm.options.shape
        launch = {"job": job_id, "workers": shape.n_workers, "ranks": shape.ranks}
        self._mine[LAUNCH + launch_id] = launch
        self._unseen[job_id] = time.monotonic()
        self._write(self._watcher())

    def say_present(self) -> None:
        """Renew the records, so that no other command takes over; to be called often."""
        if time.monotonic() - self._said > _WATCHER_S / 3:
            self._write(self._watcher())

    def let_go(self) -> None:
        """Leave the arrays to the next command."""
        self._write(None)

    def n_alive(self) -> int | None:
        """Return how many workers of these arrays wait or work; None: SLURM does not answer."""
        queue = self._slurm.queue()
        if queue is None:
            return None
        workers = {str(launch["job"]): int(launch["workers"]) for launch in self._mine.values()}
        self._unseen = {job: t for job, t in self._unseen.items() if job not in queue}
        self._queue = {job: queue.get(job) or self._unlisted(job) for job in workers}
        return sum(workers[job] * len(elements) for job, elements in self._queue.items())

    def _unlisted(self, job: str) -> list[Element]:
        # Some sites answer squeue from a cache, which lacks a job submitted a moment ago.
        age_s = time.monotonic() - self._unseen.get(job, float("-inf"))
        if age_s > _LISTED_AFTER_S or any(end.is_over for end in self._slurm.ends([job])):
            return []
        return [Element("SUBMITTED")]

    @property
    def jobs(self) -> dict[str, str]:
        """The numbers of the arrays by the name of their launch."""
        return {key.removeprefix(LAUNCH): str(launch["job"]) for key, launch in self._mine.items()}

    def stuck(self) -> dict[str, tuple[str, SettingError]]:
        """Return the reasons of waiting jobs that do not go away: an array, and what to change."""
        found = {}
        for job, elements in self._queue.items():
            for reason in {element.reason for element in elements} - {None}:
                if reason is not None and (remedy := advice(reason)) is not None:
                    found[reason] = job, remedy
        return found

    def how_canceled(self) -> str | None:
        """Return by whom the arrays were canceled, which have all ended; None: they were not.

        What ended last decides: the other elements go on when one is canceled.
        """
        jobs = [*self.jobs.values()]
        ended = [end for end in self._slurm.ends(jobs) if end.is_over]
        for job in set(jobs) - {end.job for end in ended} - self._forgotten:
            self._forgotten.add(job)
            _log.info("array %s: SLURM does not say how it ended", job)
        last = max((end.time for end in ended), default="")
        canceled = {e.job: e for e in ended if e.time == last and e.is_canceled}
        return _canceled(canceled) if canceled else None

    def cancel(self, pending_only: bool = False) -> None:
        """Cancel the arrays, or only the elements that have not started."""
        for launch in self._mine.values():
            self._slurm.cancel(launch["job"], pending_only)

    def wait_until_gone(self, limit_s: float) -> None:
        """Return when no job is left, or after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while self.n_alive() != 0 and time.monotonic() < deadline:
            time.sleep(0.5)

    def describe(self) -> str:
        """Return where the jobs are, as text."""
        parts = []
        for job, elements in self._queue.items():
            counts = sorted(Counter(map(_shown, elements)).items())
            shown = ", ".join(f"{n} {state}" for state, n in counts)
            parts.append(f"array {job}: {shown or 'ended'}")
        return "; ".join(parts)

    def _watcher(self) -> dict[str, Any]:
        self._beat += 1
        return {"host": this_host(), "pid": os.getpid(), "beat": self._beat}

    def _write(self, watcher: dict[str, Any] | None) -> None:
        self._said = time.monotonic()
        for key, launch in self._mine.items():
            launch["watcher"] = watcher
            self._storage.set_study_user_attr(self._study_id, key, dict(launch))


def _shown(element: Element) -> str:
    return element.state.lower() + (f" ({element.reason})" if element.reason else "")


def _canceled(ends: dict[str, End]) -> str:
    others = sorted({end.user for end in ends.values() if end.user})
    comments = sorted({end.comment for end in ends.values() if end.comment})
    jobs = f"job {', '.join(ends)} was" if len(ends) == 1 else f"jobs {', '.join(ends)} were"
    by = f" by {', '.join(others)}" if others else ""
    return f"{jobs} canceled (scancel{by}{''.join(f'; {text}' for text in comments)})"


def _is_here(watcher: dict[str, Any]) -> bool:
    return bool(watcher.get("host") == this_host())


def _is_alive(watcher: dict[str, Any] | None) -> bool:
    return watcher is not None and is_alive(watcher["pid"])
