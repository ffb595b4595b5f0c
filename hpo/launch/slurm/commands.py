"""What SLURM's commands say: the queue, how jobs ended, partitions and limits."""

from __future__ import annotations

import logging
import os
import pwd
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from commons.terminal import one_line
from hpo.launch.slurm.answers import said

_log = logging.getLogger(__name__)
_TIMEOUT_S = 60
# Of `scontrol -o`: values may contain blanks, names do not.
_FIELD = re.compile(r"([\w:/&-]+)=(.*?)(?= [\w:/&-]+=|\s*$)")
_LAST_STATES = re.compile(
    "BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|LAUNCH_FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED"
    "|RECONFIG_FAIL|REVOKED|SPECIAL_EXIT|TIMEOUT"
)
_CANCELED_BY = re.compile(r"CANCELLED by (\d+)")


class Unanswered(Exception):
    """A command of SLURM failed, is not there, or did not answer in time; says how."""


@dataclass(frozen=True)
class Element:
    """An unfinished element of an array, or a job without one.

    Attributes:
        state: as squeue names it, e.g. PENDING.
        reason: why it waits; None where there is nothing to say.
    """

    state: str
    reason: str | None = None


@dataclass(frozen=True)
class End:
    """How elements of an array ended.

    Attributes:
        job: number of the array.
        state: as SLURM names it, e.g. CANCELLED, TIMEOUT, NODE_FAIL.
        time: when, as text that sorts.
        user: who canceled them, if it was another user and that is known.
        comment: of an administrator.
    """

    job: str
    state: str
    time: str
    user: str | None = None
    comment: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the state is a last one: SLURM also knows jobs that still wait or run."""
        return bool(_LAST_STATES.match(self.state))

    @property
    def is_canceled(self) -> bool:
        """Whether somebody canceled it; a time limit, a preemption or a lost node are not that."""
        return self.state.startswith("CANCELLED")


def ask(*command: str, given: str | None = None) -> str:
    """Run a command of SLURM and return what it prints; `given` is what it reads.

    Raises:
        Unanswered: it failed.
    """
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise Unanswered(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Unanswered(said(done.stderr or done.stdout))
    return done.stdout


def queue() -> dict[str, list[Element]] | None:
    """Return the user's unfinished elements by job number; None: no answer."""
    try:
        return _queue(ask("squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%i|%T|%r"))
    except Unanswered as error:
        _log.debug("squeue: %s", error)
        return None


def _queue(answer: str) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    for line in answer.splitlines():
        name, state, reason = (*line.split("|", 2), "", "")[:3]
        shown = one_line(reason) if state == "PENDING" and reason not in ("", "None") else None
        found.setdefault(name.partition("_")[0], []).append(Element(state, shown))
    return found


def ends(jobs: Sequence[str]) -> list[End]:
    """Return how elements of finished arrays ended, as far as SLURM still knows.

    The controller forgets a job some minutes after its end (`MinJobAge`), but answers at once; the
    accounting remembers it and knows who canceled it, but lags and is switched off at some sites.
    """
    found = [end for job in jobs for end in _ends_by_controller(job)]
    missing = set(jobs) - {end.job for end in found}
    if not missing and not any(end.is_canceled for end in found):
        return found
    booked = _ends_by_accounting(jobs)
    users = {end.job: end.user for end in booked if end.user is not None}
    known = [End(e.job, e.state, e.time, users.get(e.job), e.comment) for e in found]
    return known + [end for end in booked if end.job in missing]


def _ends_by_controller(job: str) -> list[End]:
    try:
        answer = ask("scontrol", "show", "job", "-o", job)
    except Unanswered as error:
        _log.debug("job %s: %s", job, error)
        return []
    found = []
    for fields in map(fields_of, answer.splitlines()):
        if "JobState" in fields:
            comment = one_line(fields.get("AdminComment", "").strip())
            end = End(job, fields["JobState"], fields.get("EndTime", ""), None, comment or None)
            found.append(end)
    return found


def _ends_by_accounting(jobs: Sequence[str]) -> list[End]:
    try:
        chosen = ("-j", ",".join(jobs), "-o", "JobID,End,State%40")
        answer = ask("sacct", "-X", "-n", "-P", *chosen)
    except Unanswered as error:
        _log.debug("sacct: %s", error)
        return []
    rows = [line.split("|") for line in answer.splitlines()]
    return [_booked(*row[:3]) for row in rows if len(row) >= 3]


def _booked(name: str, time: str, state: str) -> End:
    by = _CANCELED_BY.match(state)
    return End(name.partition("_")[0], state, time, _user(int(by[1])) if by else None)


def _user(number: int) -> str | None:
    if number == os.getuid():
        return None
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def fields_of(line: str) -> dict[str, str]:
    """Return the fields of a line that `scontrol show ... -o` prints.

    >>> fields_of("JobId=7 JobName=a b JobState=CANCELLED Reason=None")["JobName"]
    'a b'
    """
    return dict(_FIELD.findall(line))


def largest_array() -> int | None:
    """Return how many elements an array may have; None: SLURM does not say."""
    try:
        answer = ask("scontrol", "show", "config")
    except Unanswered as error:
        _log.debug("scontrol show config: %s", error)
        return None
    patterns = (r"^MaxArraySize\s*=\s*(\d+)", r"^SchedulerParameters\s*=.*\bmax_array_tasks=(\d+)")
    found = [re.search(pattern, answer, re.MULTILINE) for pattern in patterns]
    limits = [int(match[1]) for match in found if match is not None]
    return max(1, min(limits)) if limits else None


def partitions() -> dict[str, dict[str, str]]:
    """Return the fields of all partitions by name.

    Raises:
        Unanswered: SLURM does not say.
    """
    lines = map(fields_of, ask("scontrol", "show", "partition", "-o").splitlines())
    return {fields["PartitionName"]: fields for fields in lines if "PartitionName" in fields}


def minutes(limit: str) -> float:
    """Return a time limit as SLURM writes it, in minutes.

    >>> [minutes(limit) for limit in ("1-00:00:00", "30:00", "UNLIMITED")]
    [1440.0, 30.0, inf]
    """
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)
    if match is None:
        return float("inf")
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60
