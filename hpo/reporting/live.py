"""One table of a sweep: kept up to date in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hpo.reporting.summary import Summary, summarise

_log = logging.getLogger(__name__)
_LINE_EVERY_S = 30.0


class Progress:
    """Shows a study while its workers run; a context manager around their time.

    Args:
        storage: where the study is.
        study_id: Optuna's id of it.
        live: redraw one table in place, if the output is a terminal. Not for workers that write
            to the same terminal.
        status: returns where the jobs are, if there are any.
        every_s: time between two looks at the storage.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_id: int,
        live: bool,
        status: Callable[[], str] | None = None,
        every_s: float = 1.0,
    ) -> None:
        self._storage, self._study_id, self._every_s = storage, study_id, every_s
        self._status = status
        self._console = Console()
        terminal = live and self._console.is_terminal
        self._live = Live(console=self._console, auto_refresh=False) if terminal else None
        self._begin = time.monotonic()
        self._finished_before = summarise(storage, study_id)[0].n_finished
        self._line = ("", 0.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="progress")

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        summary, trials = summarise(self._storage, self._study_id)
        elapsed_s = time.monotonic() - self._begin
        final = table(summary, trials, elapsed_s, None)
        if self._live is not None:
            self._live.update(final, refresh=True)
            self._live.stop()
        else:
            self._console.print(final)

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._show()
            except Exception as error:  # noqa: BLE001 - the sweep matters more than its display
                _log.debug("no progress to show: %s", error)

    def _show(self) -> None:
        summary, trials = summarise(self._storage, self._study_id)
        elapsed_s = time.monotonic() - self._begin
        left_s = self._left_s(summary, elapsed_s)
        if self._live is not None:
            rows = table(summary, trials, elapsed_s, left_s)
            if self._status is not None:
                rows.add_row("jobs", self._status())
            self._live.update(rows, refresh=True)
            return
        text, shown = self._line
        line = _one_line(summary)
        if self._status is not None:
            line = f"{line}; {self._status()}"
        if line != text and elapsed_s - shown > _LINE_EVERY_S:
            self._line = (line, elapsed_s)
            _log.info("%s; %s", line, _time(elapsed_s, left_s))

    def _left_s(self, summary: Summary, elapsed_s: float) -> float | None:
        done = summary.n_finished - self._finished_before
        left = summary.n_trials["total"] - summary.n_finished
        return elapsed_s / done * left if done > 0 else None


def table(
    summary: Summary, trials: Sequence[FrozenTrial], elapsed_s: float | None, left_s: float | None
) -> Table:
    """Return the table of a study.

    Args:
        summary: its figures.
        trials: its trials, for those that run.
        elapsed_s: since this command was given; None: leave the row out.
        left_s: estimate until all trials are done.
    """
    rows = Table(show_header=False, title=f"study {summary.study_name}", title_justify="left")
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("trials", _counts(summary))
    rows.add_row("best", _best(summary))
    hours = summary.worker_hours
    rows.add_row(
        "epochs",
        f"{summary.epochs.run} run, {summary.epochs.saved} saved by pruning "
        f"({hours['used']:.3g} worker hours used, about {hours['saved']:.3g} saved)",
    )
    busy = summary.worker_busy_fraction
    if busy is not None:
        rows.add_row("workers", f"{summary.n_workers}, busy {busy:.0%} of their time")
    if elapsed_s is not None:
        rows.add_row("time", _time(elapsed_s, left_s))
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            rows.add_row(f"trial {trial.number}", _running(trial))
    return rows


def values(params: dict[str, Any]) -> str:
    """Return parameters as readable text.

    >>> values({"lr": 0.001234567, "layers": 3})
    'lr=0.00123, layers=3'
    """
    shown = (f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
    return ", ".join(shown)


def _counts(summary: Summary) -> str:
    n = summary.n_trials
    skipped = f" ({summary.n_skipped} before they began)" if summary.n_skipped else ""
    return (
        f"{summary.n_finished} of {n['total']} finished: {n['complete']} complete, "
        f"{n['pruned']} pruned{skipped}, {n['fail']} failed; {n['running']} running, "
        f"{n['waiting']} waiting"
    )


def _best(summary: Summary) -> str:
    best = summary.best
    if best is None:
        return "no trial is complete yet"
    return f"{best.value:.6g} (trial {best.number}): {values(best.params)}"


def _one_line(summary: Summary) -> str:
    return f"{_counts(summary)}; best {_best(summary)}"


def _running(trial: FrozenTrial) -> str:
    step = trial.last_step
    where = "starting" if step is None else f"epoch {step}: {trial.intermediate_values[step]:.5g}"
    return f"{where}  ({values(trial.params)})"


def _time(elapsed_s: float, left_s: float | None) -> str:
    elapsed = str(timedelta(seconds=round(elapsed_s)))
    return (
        elapsed if left_s is None else f"{elapsed}, about {timedelta(seconds=round(left_s))} left"
    )
