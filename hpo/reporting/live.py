"""The progress of a sweep: one table that is updated in a terminal, else log lines.

A process of plain Optuna logs lines alone, as Optuna does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import optuna
from optuna.storages import BaseStorage
from rich.live import Live

from commons.console import Console
from hpo.reporting.ledger import read_ledger
from hpo.reporting.pulse import Pulse
from hpo.reporting.summary import summarize, wall_s_of
from hpo.reporting.table import live_line, live_table, study_table, time_line
from hpo.settings import SweepError

_log = logging.getLogger(__name__)
_LINE_EVERY_S = 30.0
_REST = 50  # a look of `Lines` takes at most this part of the time


class Progress:
    """Context manager that shows a study while its workers run.

    Args:
        storage: of the study.
        study_id: Optuna's id of it.
        live: redraw one table in place on a terminal, unless workers write to it too.
        status: returns the state of the SLURM jobs; None: there are no jobs.
        at_work: called once trials have ended; what is made ready then, delays no first trial.
        limits: what else ends the sweep than its number of trials, as text.
        every_s: time between two updates.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_id: int,
        live: bool,
        status: Callable[[], str] | None = None,
        at_work: Callable[[], None] = lambda: None,
        limits: str = "",
        every_s: float = 1.0,
    ) -> None:
        self._storage, self._study_id = storage, study_id
        self._status, self._at_work, self._every_s = status, at_work, every_s
        self._limits = limits
        self._console = Console()
        terminal = live and self._console.is_terminal
        self._live = Live(console=self._console, auto_refresh=False) if terminal else None
        self._begin = time.monotonic()
        self._before_s = wall_s_of(storage.get_study_user_attrs(study_id))
        self._pulse = Pulse(storage, study_id)
        self._finished_before = self._pulse.look().n_finished
        self._line = ("", 0.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="progress")

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is not None and issubclass(kind, SweepError):
            if self._live is not None:
                self._live.stop()
            return  # the error says it all
        try:
            summary = summarize(self._storage, self._study_id)[0]
            ledger = read_ledger(self._storage, self._study_id)
            elapsed_s = time.monotonic() - self._begin
            final = study_table(summary, elapsed_s, ledger, self._before_s)
            if self._live is not None:
                self._live.update(final, refresh=True)
            else:
                self._console.print(final)
        finally:  # the study may be gone
            if self._live is not None:
                self._live.stop()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._show()
            except Exception as error:  # noqa: BLE001 - the sweep matters more than its display
                _log.debug("no progress to show: %s", error)

    def _show(self) -> None:
        moment = self._pulse.look()
        elapsed_s = time.monotonic() - self._begin
        if moment.n_finished > self._finished_before:
            self._at_work()
        jobs = self._status() if self._status is not None else None
        if self._live is not None:
            size = self._console.size
            rows = live_table(moment, elapsed_s, (size.width, size.height), jobs, self._limits)
            self._live.update(rows, refresh=True)
            return
        text, shown = self._line
        line = live_line(moment, jobs)
        if line != text and elapsed_s - shown > _LINE_EVERY_S:
            self._line = (line, elapsed_s)
            _log.info("%s; time %s", line, time_line(elapsed_s, moment.outlook))


class Lines:
    """Context manager that logs a line on a study every 30 s, and one at the end.

    It uses a logger below Optuna's: `optuna.logging.set_verbosity` decides whether it is seen.

    Args:
        storage: of the study.
        study_id: Optuna's id of it.
        every_s: time between two lines; longer if a look at the study takes long.
    """

    def __init__(
        self, storage: BaseStorage, study_id: int, every_s: float = _LINE_EVERY_S
    ) -> None:
        self._storage, self._study_id, self._every_s = storage, study_id, every_s
        self._log = optuna.logging.get_logger("optuna.hpo")
        self._pulse: Pulse | None = None
        self._begin = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="progress")

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        if kind is None:  # else the storage may be out of reach
            self._thread.join()
            self._tell()

    def _watch(self) -> None:
        wait_s = self._every_s
        while not self._stop.wait(wait_s):
            begin = time.monotonic()
            self._tell()
            wait_s = max(self._every_s, _REST * (time.monotonic() - begin))

    def _tell(self) -> None:
        if not self._log.isEnabledFor(logging.INFO):
            return
        try:
            self._pulse = self._pulse or Pulse(self._storage, self._study_id)
            moment = self._pulse.look()
            spent = time_line(time.monotonic() - self._begin, moment.outlook)
            self._log.info("study '%s': %s; time %s", moment.name, live_line(moment), spent)
        except Exception as error:  # noqa: BLE001 - the work matters more than its display
            _log.debug("no progress to show: %s", error)
