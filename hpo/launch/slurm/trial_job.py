"""The job of a site's check: submit it, meet it in a folder, and judge what it found."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.terminal import one_line
from hpo.launch.slurm import meeting
from hpo.launch.slurm.answers import advice, refusal
from hpo.launch.slurm.commands import Element, Unanswered, ask
from hpo.launch.slurm.probe import versions
from hpo.launch.slurm.setup import failures
from hpo.launch.slurm.site import Slurm, job_script, python_path
from hpo.launch.slurm.submitit_internals import environment_variables
from hpo.settings import SettingError

_log = logging.getLogger(__name__)

Finding = tuple[str, "str | SettingError"]  # what was looked at; a text if all is well

_MINUTES = 5  # the limit of the job, which takes seconds once it runs
_LOOKS = 3  # a reason that is seen so often is not of the first moment
_LISTED_S = 20.0  # a job is in the queue at most so long after its submission
_PAUSE_S = 0.2
_SEEN_S = 10.0
_CLOCK_S = 5.0
_OTHER_STORAGE = "take a database as storage (docs/howto/slurm.md)"


def try_job(slurm: Slurm, folder: Path) -> Iterator[Finding]:
    """Run the job and yield what it found; all nodes must see the folder."""
    meeting.prepare(folder)
    try:
        job = _submit(slurm, folder)
    except SettingError as error:
        yield "job", error
        return
    try:
        yield from _meet(slurm, folder, job)
    finally:
        slurm.cancel(job)


def _submit(slurm: Slurm, folder: Path) -> str:
    limit = min(_MINUTES, slurm.options.timeout_min)
    options = replace(slurm.options, timeout_min=limit, signal_delay_s=1, requeue=False)
    python = slurm.options.python or [sys.executable]
    command = shlex.join([*python, "-u", "-m", "hpo.launch.slurm.probe", str(folder)])
    try:
        with environment_variables(PYTHONPATH=python_path()):
            script = job_script(options, 1, folder, command)
            answer = ask("sbatch", "--parsable", given=script)
    except Unanswered as refused:
        raise refusal(str(refused)) from refused
    return answer.strip().partition(";")[0]


def _meet(slurm: Slurm, folder: Path, job: str) -> Iterator[Finding]:
    try:
        _wait_for_start(slurm, folder, job)
    except SettingError as error:
        yield "job", error
        return
    node = meeting.said(folder, "node") or {}
    n_lines = len(slurm.options.setup)
    yield "set-up", f"{n_lines} lines ran on {one_line(str(node['host']))}"
    yield "Python", _python(node)
    begin, begin_s = time.time(), time.monotonic()
    meeting.say(folder, "login")
    try:
        seen = meeting.hear(folder, "seen")
        end, there_s = time.time(), time.monotonic() - begin_s
        replaced = (folder / "replaced").read_text()
        meeting.hear(folder, "ping")
        meeting.say(folder, "pong")
        meeting.count(folder)
        done = meeting.hear(folder, "done")
    except meeting.Unheard as error:
        yield "visibility", SettingError("a file of one node: {}; {}", error, _OTHER_STORAGE)
        return
    yield "visibility", _visibility(there_s, float(done["wait_s"]))
    yield "rename", _rename(replaced)
    yield "lock", _lock(meeting.counted(folder))
    file_s = (folder / "login.json").stat().st_mtime - begin
    yield "clocks", _clocks(float(seen["time"]) - (begin + end) / 2, (end - begin) / 2, file_s)


def _wait_for_start(slurm: Slurm, folder: Path, job: str) -> None:
    """Return when the job has said that it runs.

    Raises:
        SettingError: it waits in vain, or has ended without a word.
    """
    begin, pause_s, looks = time.monotonic(), _PAUSE_S, Counter[Element]()
    while not _has_come(folder, pause_s):
        pause_s = min(2 * pause_s, slurm.options.poll_s)
        queue = slurm.queue()
        if queue is None:
            continue
        for element in queue.get(job, ()):
            looks[element] += 1
            _tell(job, element, looks[element])
        if job not in queue and _is_gone(slurm, job, begin) and not _has_come(folder, 0):
            raise _ended(slurm, folder, job)


def _has_come(folder: Path, limit_s: float) -> bool:
    try:
        meeting.hear(folder, "node", limit_s)
    except meeting.Unheard:
        return False
    return True


def _tell(job: str, element: Element, looks: int) -> None:
    """Tell of a state of the job when it is first seen, and end where it does not go away."""
    if looks == 1:
        _log.info("job %s: %s", job, f"{element.state} {element.reason or ''}".strip().lower())
    remedy = None if element.reason is None else advice(element.reason)
    if remedy is not None and looks == _LOOKS:
        raise SettingError(f"job {{}} waits, {{}}: {remedy.args[0]}", job, element.reason)


def _is_gone(slurm: Slurm, job: str, submitted: float) -> bool:
    late = time.monotonic() - submitted > _LISTED_S
    return late or any(end.is_over for end in slurm.ends([job]))


def _ended(slurm: Slurm, folder: Path, job: str) -> SettingError:
    for failure in failures(folder):
        return failure.error()
    lines = [
        line
        for file in sorted(folder.glob("*_log.out"))
        for line in file.read_text(errors="replace").splitlines()
        if line.strip()
    ]
    states = ", ".join(sorted({end.state for end in slurm.ends([job])})) or "no state known"
    last = one_line(lines[-1]) if lines else "no output; do all nodes see hydra.sweep.dir?"
    return SettingError("job {} ended too early ({}): {}", job, states, last)


def _python(node: dict[str, Any]) -> str | SettingError:
    here, there = versions(), node["versions"]
    differ = [f"{k} {there.get(k)} instead of {here[k]}" for k in here if here[k] != there.get(k)]
    executable = one_line(str(node["executable"]))
    if differ:
        text = "{} on the node has {}: change {setup} or {python}, or the Python of this command"
        return SettingError(text, executable, ", ".join(map(one_line, differ)))
    return f"{executable}, {', '.join(f'{name} {here[name]}' for name in here if name != 'hpo')}"


def _visibility(there_s: float, back_s: float) -> str | SettingError:
    if max(there_s, back_s) > _SEEN_S:
        text = "a file is seen by the other node and answered after {:.1f} s and {:.1f} s; {}"
        return SettingError(text, there_s, back_s, _OTHER_STORAGE)
    return f"files are seen by the other node and answered within {max(there_s, back_s):.2f} s"


def _rename(replaced: str) -> str | SettingError:
    if replaced != "node":
        text = "a file that was replaced by a rename there is still the old one here; {}"
        return SettingError(text, _OTHER_STORAGE)
    return "a rename replaces a file for the other node"


def _lock(number: int) -> str | SettingError:
    if number != 2 * meeting.ROUNDS:
        text = "of {} changes under our lock {} were lost: it does not exclude; {}"
        return SettingError(text, 2 * meeting.ROUNDS, 2 * meeting.ROUNDS - number, _OTHER_STORAGE)
    return f"our lock excludes the other node ({number} changes, none lost)"


def _clocks(node_s: float, margin_s: float, file_s: float) -> str | SettingError:
    shown = f"node {node_s:+.1f} s (within {margin_s:.1f} s), file system {file_s:+.1f} s"
    if abs(node_s) - margin_s > _CLOCK_S or abs(file_s) > _CLOCK_S:
        text = "not those of this host: {}; tell the site. Times in tables and logs will be off"
        return SettingError(text, shown)
    return shown
