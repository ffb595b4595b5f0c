"""The figures of a study as a table or a line of text."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from typing import Any

from optuna.trial import FrozenTrial

from commons.console import Table
from commons.terminal import printable
from hpo.attributes import added_from
from hpo.reporting.default import value_told
from hpo.reporting.ledger import Ledger, ledger_lines
from hpo.reporting.outlook import Outlook
from hpo.reporting.pareto import NONE_IS_FEASIBLE
from hpo.reporting.pulse import Moment
from hpo.reporting.summary import Summary, values_told


def study_table(
    summary: Summary,
    elapsed_s: float | None = None,
    ledger: Ledger | None = None,
    before_s: float = 0.0,
) -> Table:
    """Return the table of a study.

    Args:
        summary: its figures.
        elapsed_s: since the command started; None: no command is told of.
        ledger: with it the cost is told by outcome.
        before_s: what earlier commands have worked on the study.
    """
    title = f"study {summary.study_name}"
    rows = Table(show_header=False, title=title, title_justify="left")
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("trials", counts(summary))
    if summary.n_forecast:
        rows.add_row("", f"of the pruned trials, {summary.n_forecast} by a forecast")
    rows.add_row("best", _best(summary))
    if summary.best is not None and summary.best.figures:
        rows.add_row("", _figures(summary.best.figures))
    if summary.front:
        shown = ", ".join(map(str, summary.front[:20]))
        rows.add_row("front", f"{len(summary.front)} trials: {shown}")
    if summary.best is not None and summary.best.rule is not None:
        rows.add_row("best by", summary.best.rule)
    if summary.default is not None:
        rows.add_row("", str(summary.default))
    rows.add_row("epochs", _epochs(summary))
    if summary.n_workers:
        rows.add_row("workers", _workers(summary))
    cost = [("cost", str(summary.cost))] if summary.cost.core_h else []
    for heading, text in cost if ledger is None else ledger_lines(ledger):
        rows.add_row(heading, text)
    if elapsed_s is not None:
        rows.add_row("time", _times(elapsed_s, before_s))
    return rows


def live_table(
    moment: Moment,
    elapsed_s: float,
    size: tuple[int, int],
    jobs: str | None = None,
    limits: str = "",
) -> Table:
    """Return the table of a sweep that runs: what matters most first, a line each.

    Args:
        moment: of the sweep.
        elapsed_s: since the command started.
        size: columns and lines of the terminal.
        jobs: where the SLURM jobs are; None: there are none.
        limits: what else ends the sweep than its number of trials.
    """
    width, height = size
    title = f"study {moment.name}: {moment.goal}"
    rows = Table(show_header=False, title=title, title_justify="left", width=width)
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    lines = [*_jobs(jobs, width), *_leaders(moment), ("trials", _short_counts(moment))]
    lines += [("rungs", _rungs(moment))] if moment.rungs else []
    unknown = ", the time left is not known yet" if moment.outlook is None else ""
    lines.append(("time", time_line(elapsed_s, moment.outlook) + unknown))
    lines.append(("workers", f"{moment.n_alive} at work; {moment.epochs} epochs run"))
    lines += [("ends at", limits)] if limits else []
    room = max(0, height - len(lines) - 5)  # title, frame, and the line below
    shown = moment.running[1:]
    if len(shown) > room:
        shown = shown[: max(0, room - 1)]
    lines += [(f"trial {trial.number}", _running(trial)) for trial in shown]
    left_out = len(moment.running) - 1 - len(shown)
    lines += [("", f"and {left_out} more that run")] if left_out > 0 else []
    for heading, text in lines:
        rows.add_row(heading, printable(text))
    return rows


def live_line(moment: Moment, jobs: str | None = None) -> str:
    """Return the number of trials by state, the leader and the jobs, as a line of a log."""
    parts = [counts(moment), *(f"{name} {text}" for name, text in _leaders(moment))]
    return printable("; ".join([*parts, *([jobs] if jobs else [])]))


def _jobs(jobs: str | None, width: int) -> list[tuple[str, str]]:
    if jobs is None:
        return []
    lines = textwrap.wrap(jobs, max(20, width - 15))[:2] or [""]
    return [("jobs", lines[0]), *(("", line) for line in lines[1:])]


def _leaders(moment: Moment) -> list[tuple[str, str]]:
    """Return the best complete trial and the best running one; the better one first."""
    best, running = moment.best, moment.running[0] if moment.running else None
    lines = []
    if best is not None:
        told = values_told(dict(zip(moment.metrics, best.values, strict=True)))
        added = "" if added_from(best) is None else ", added"
        lines.append(("best", f"{told} (trial {best.number}{added}): {_params(best)}"))
    if running is not None:
        by = f" (by {moment.reported})" if len(moment.metrics) > 1 else ""
        lines.append(("leader", f"trial {running.number} runs{by}: {_running(running)}"))
    return lines or [("best", "no trial has begun yet")]


def _short_counts(moment: Moment) -> str:
    n = moment.n_trials
    states = {"complete": "complete", "pruned": "pruned", "fail": "failed", "running": "running"}
    shown = ", ".join(f"{n[state]} {name}" for state, name in states.items())
    return f"{moment.n_finished} of {n['total']} finished: {shown}{_on_hold(moment)}"


def _rungs(moment: Moment) -> str:
    shown = []
    for rung in moment.rungs:
        best = "" if rung.best is None else f", best {rung.best:.4g}"
        shown.append(f"epoch {rung.step}: {rung.n_reached}{best}")
    return "; ".join(shown)


def _running(trial: FrozenTrial) -> str:
    step = trial.last_step
    where = "starting" if step is None else f"epoch {step}: {trial.intermediate_values[step]:.5g}"
    return f"{where}  ({_params(trial)})"


def _params(trial: FrozenTrial) -> str:
    """Return the parameters of a trial; of a key the last part, which tells most."""
    return parameters({key.rpartition(".")[2]: value for key, value in trial.params.items()})


def parameters(params: dict[str, Any]) -> str:
    """Return parameters as text with three digits.

    >>> parameters({"lr": 0.001234567, "layers": 3})
    'lr=0.00123, layers=3'
    """
    shown = (f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
    return ", ".join(shown)


def counts(summary: Summary | Moment) -> str:
    """Return the number of trials by state."""
    n = summary.n_trials
    n_new = n["waiting"] - sum(summary.on_hold.values())
    added = f"; {summary.n_added} added" if summary.n_added else ""
    return (
        f"{summary.n_finished} of {n['total']} finished: {n['complete']} complete, "
        f"{n['pruned']} pruned, {n['fail']} failed; {n['running']} running"
        f"{_on_hold(summary)}, {n_new} waiting{added}"
    )


def _on_hold(summary: Summary | Moment) -> str:
    """Return the trials that have begun and are to be continued, as text that follows others."""
    return "".join(f", {n} {name}" for name, n in summary.on_hold.items() if n)


def _epochs(summary: Summary) -> str:
    epochs, hours = summary.epochs, summary.worker_hours
    told = f"{epochs.run} run, {epochs.saved} saved by pruning"
    if summary.cost.core_h:  # the rows of the cost tell it more precisely
        return told
    return f"{told} ({hours['used']:.3g} worker hours used, about {hours['saved']:.3g} saved)"


def _workers(summary: Summary) -> str:
    busy = summary.worker_busy_fraction
    return str(summary.n_workers) + ("" if busy is None else f", busy {busy:.0%} of their time")


def _best(summary: Summary) -> str:
    best = summary.best
    if best is None:
        is_none = not summary.n_trials["complete"]
        return ("no trial is complete yet" if is_none else NONE_IS_FEASIBLE) + _leader(summary)
    return f"{best.told} (trial {best.number}{best.origin}): {parameters(best.params)}"


def _leader(summary: Summary) -> str:
    leader = summary.leader
    if leader is None:
        return ""
    where = f"trial {leader.number} at epoch {leader.step}"
    return f"; the leader is {where} with {value_told(leader.value)}: {parameters(leader.params)}"


def _figures(figures: dict[str, float]) -> str:
    """Return figures as text with four digits.

    >>> _figures({"val_accuracy": 0.90712, "val_ratio": 1.0})
    'val_accuracy 0.9071, val_ratio 1'
    """
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _times(elapsed_s: float, before_s: float) -> str:
    """Return the time since the command started, and that of all commands if there were others."""
    own = _span(elapsed_s)
    return f"{own} this command, {_span(before_s + elapsed_s)} all commands" if before_s else own


def time_line(elapsed_s: float, left: Outlook | None = None) -> str:
    """Return the time since the command started, and the estimate of the time left."""
    text = _span(elapsed_s)
    if left is None:
        return text
    return f"{text}, {'at least' if left.is_least else 'about'} {_span(left.left_s)} left"


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
