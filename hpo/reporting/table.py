"""The figures of a study as a table or a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from commons.console import Table
from commons.terminal import printable
from hpo.reporting.ledger import Ledger, ledger_lines
from hpo.reporting.summary import Summary


def study_table(
    summary: Summary,
    trials: Sequence[FrozenTrial] = (),
    elapsed_s: float | None = None,
    left_s: float | None = None,
    ledger: Ledger | None = None,
) -> Table:
    """Return the table of a study, with a row for each of `trials` that is running.

    `elapsed_s` is the time since the command started, `left_s` the estimate of what remains. With
    the `ledger` the cost is told by outcome.
    """
    title = f"study {summary.study_name}"
    rows = Table(show_header=False, title=title, title_justify="left")
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("trials", counts(summary))
    rows.add_row("best", _best(summary))
    if summary.best is not None and summary.best.figures:
        rows.add_row("", _figures(summary.best.figures))
    if summary.default is not None:
        rows.add_row("", str(summary.default))
    rows.add_row("epochs", _epochs(summary))
    if (busy := summary.worker_busy_fraction) is not None:
        rows.add_row("workers", f"{summary.n_workers}, busy {busy:.0%} of their time")
    cost = [("cost", str(summary.cost))] if summary.cost.core_h else []
    for heading, text in cost if ledger is None else ledger_lines(ledger):
        rows.add_row(heading, text)
    if elapsed_s is not None:
        rows.add_row("time", time_line(elapsed_s, left_s))
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            rows.add_row(f"trial {trial.number}", _running(trial))
    return rows


def summary_line(summary: Summary) -> str:
    """Return the number of trials by state, and the best value."""
    return printable(f"{counts(summary)}; best {_best(summary)}")


def parameters(params: dict[str, Any]) -> str:
    """Return parameters as text with three digits.

    >>> parameters({"lr": 0.001234567, "layers": 3})
    'lr=0.00123, layers=3'
    """
    shown = (f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
    return ", ".join(shown)


def counts(summary: Summary) -> str:
    """Return the number of trials by state."""
    n = summary.n_trials
    skipped = f" ({summary.n_skipped} before they began)" if summary.n_skipped else ""
    return (
        f"{summary.n_finished} of {n['total']} finished: {n['complete']} complete, "
        f"{n['pruned']} pruned{skipped}, {n['fail']} failed; {n['running']} running, "
        f"{n['waiting']} waiting"
    )


def _epochs(summary: Summary) -> str:
    epochs, hours = summary.epochs, summary.worker_hours
    return (
        f"{epochs.run} run, {epochs.saved} saved by pruning "
        f"({hours['used']:.3g} worker hours used, about {hours['saved']:.3g} saved)"
    )


def _best(summary: Summary) -> str:
    best = summary.best
    if best is None:
        return "no trial is complete yet"
    return f"{best.value:.6g} (trial {best.number}): {parameters(best.params)}"


def _figures(figures: dict[str, float]) -> str:
    """Return figures as text with four digits.

    >>> _figures({"val_accuracy": 0.90712, "val_ratio": 1.0})
    'val_accuracy 0.9071, val_ratio 1'
    """
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _running(trial: FrozenTrial) -> str:
    step = trial.last_step
    where = "starting" if step is None else f"epoch {step}: {trial.intermediate_values[step]:.5g}"
    return f"{where}  ({parameters(trial.params)})"


def time_line(elapsed_s: float, left_s: float | None) -> str:
    """Return the time since the command started, and the estimate of the time left."""
    elapsed = str(timedelta(seconds=round(elapsed_s)))
    left = "" if left_s is None else f", about {timedelta(seconds=round(left_s))} left"
    return elapsed + left
