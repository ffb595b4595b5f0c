"""All pictures of a study and its page, drawn in a process that is ready when the sweep ends.

To import matplotlib and to draw takes two seconds, which nobody should wait for at the end of a
sweep, and the import must not delay its first trial. So the command of a sweep starts this process
when the first trials have ended: it imports, and waits for the study on its standard input. Only
the command that has started it can write there.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from commons.processes import n_cores
from hpo.reporting.comparison import draw_comparison, has_two_curves
from hpo.reporting.front import draw_front
from hpo.reporting.page import Files, write_page
from hpo.reporting.plots import (
    draw_history,
    draw_importances,
    draw_learning_curves,
    draw_rungs,
)
from hpo.reporting.spaces import draw_parallel, draw_slices
from hpo.reporting.subject import Subject
from hpo.reporting.work import draw_cost, draw_timeline

Draw = Callable[[Subject, Path], Path]
# Of each study, by the name of the file; the dear ones first, so that all processes end together.
PICTURES: dict[str, Draw] = {
    "slices": draw_slices,
    "timeline": draw_timeline,
    "parallel_coordinates": draw_parallel,
    "importances": draw_importances,
    "learning_curves": draw_learning_curves,
    "history": draw_history,
    "rungs": draw_rungs,
    "cost": draw_cost,
}
_MAX_PROCESSES = 4
_START = (
    "from commons.optuna_start import import_optuna; import_optuna()\n"
    "from hpo.reporting.artist import main; import sys; main(sys.stdin.buffer)"
)
_DONE = b"drawn\n"


def pictures_of(subject: Subject) -> dict[str, Draw]:
    """Return what can be drawn of a study, by the name of the file."""
    found = dict(PICTURES)
    if subject.summary.front:
        found["front"] = draw_front
    if has_two_curves(subject):
        found["default_and_best"] = draw_comparison
    return found


def draw_report(
    subject: Subject,
    folder: Path,
    best: str | None,
    commands: Mapping[str, str],
    n_processes: int = 1,
) -> None:
    """Draw all pictures of a study into `folder`, and write the page that holds them.

    Args:
        subject: the study.
        folder: of the files.
        best: content of `best.yaml`; None: there is none.
        commands: what to do with the study: a command by purpose.
        n_processes: forked to share the work; only where no other thread runs.
    """
    paths = {name: folder / f"{name}.png" for name in pictures_of(subject)}
    names, write = os.pipe()
    os.write(write, bytes(range(len(paths))))  # a free process reads the next one
    os.close(write)
    context = multiprocessing.get_context("fork")
    others = [
        context.Process(target=_draw_some, args=(subject, paths, names))
        for _ in range(n_processes - 1)
    ]
    for process in others:
        process.start()
    _draw_some(subject, paths, names)
    os.close(names)
    for process in others:
        process.join()
    if any(process.exitcode for process in others):  # it tells more when it is repeated here
        _draw(subject, paths, [*paths])
    write_page(subject, Files(folder, paths, best, commands))


def _draw_some(subject: Subject, paths: Mapping[str, Path], names: int) -> None:
    while place := os.read(names, 1):
        _draw(subject, paths, [[*paths][place[0]]])


def _draw(subject: Subject, paths: Mapping[str, Path], names: Sequence[str]) -> None:
    draw = pictures_of(subject)
    for name in names:
        draw[name](subject, paths[name])


class Artist:
    """A process that draws the report of a study when the sweep ends; it ends with its parent."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start the process, if it does not exist yet; do not wait for it."""
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _START],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )

    def draw(
        self, subject: Subject, folder: Path, best: str | None, commands: Mapping[str, str]
    ) -> None:
        """Do as `draw_report`: in the process if it was prepared, else here."""
        request = subject, folder, best, dict(commands)
        if self._process is None or not self._asked(request):
            draw_report(subject, folder, best, commands)

    def _asked(self, request: object) -> bool:
        process: Any = self._process
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(pickle.dumps(request))
        answer: bytes = process.stdout.readline()  # it ends later, with all that it has imported
        return answer == _DONE

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                with self._process as process:
                    process.kill()


def main(source: IO[bytes]) -> None:
    """Import what drawing needs, then draw what the parent asks for; nothing if it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401

    request = source.read()
    if request:
        gc.disable()  # figures are many small objects, and this process ends soon
        subject, folder, best, commands = pickle.loads(request)  # from the parent alone
        draw_report(subject, folder, best, commands, min(_MAX_PROCESSES, n_cores()))
        sys.stdout.buffer.write(_DONE)
        sys.stdout.flush()
