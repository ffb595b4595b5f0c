"""The ledger of a study: what each trial, worker and outcome has cost; `ledger.csv`.

Workers count as long as they were there, from the start of their process. Their time is that of
trials, which the outcome of each trial names, that which died with another process or was trained
twice ("lost"), their own start, and the rest: composing, storing, waiting for a trial.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from commons.files import replacing
from hpo.attributes import COST, LOSSES, SECONDS, own_trials, stored
from hpo.reporting.spending import Cost, Present, cost_of, held, mean_of, workers_of
from hpo.reporting.summary import epochs_of, summarize

OUTCOMES = ("complete", "pruned", "failed", "unfinished", "lost", "start-up", "between trials")
_TOLD = {"lost": "lost or trained twice"}
_COLUMNS = (
    *("kind", "name", "outcome", "hours", "core_h", "gpu_h", "cpu_h", "cpu_kwh", "gpu_kwh"),
    *("epochs", "lost_core_h", "lost_gpu_h", "lost_epochs", "queued_h"),
)
_OUTCOME = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "unfinished",
}


@dataclass(frozen=True)
class Row:
    """A line of the ledger.

    Attributes:
        kind: "trial", "worker", "outcome" or "total".
        name: number of the trial, name of the worker or of the outcome.
        outcome: of a trial; else empty.
        hours: of time: a trial inside the application, a worker from the start of its process.
        cost: what it has used. That of a trial does not include what was lost.
        lost: of a trial or in total: what died with a process, or was trained twice.
        queued_h: of a worker or in total: how long its job waited (h); None: not known.
    """

    kind: str
    name: str
    outcome: str
    hours: float
    cost: Cost
    lost: Cost = field(default_factory=Cost)
    queued_h: float | None = None


@dataclass(frozen=True)
class Ledger:
    """What a study has cost.

    Attributes:
        trials: one row for each that was begun.
        workers: one row for each; a requeued one has a row per start.
        outcomes: cost by outcome, in the order of `OUTCOMES`; together the total.
        total: of all workers.
        saved: what the epochs would have cost that pruned trials lack to the longest complete one.
    """

    trials: list[Row]
    workers: list[Row]
    outcomes: dict[str, Cost]
    total: Row
    saved: Cost

    @property
    def rows(self) -> list[Row]:
        """All lines."""
        outcomes = [Row("outcome", name, "", 0.0, cost) for name, cost in self.outcomes.items()]
        return [*self.trials, *self.workers, *outcomes, self.total]


def read_ledger(storage: BaseStorage, study_id: int) -> Ledger:
    """Return the ledger of a study. It reads only; a study of others has trials alone."""
    trials = own_trials(summarize(storage, study_id)[1])
    workers = workers_of(storage.get_study_user_attrs(study_id), trials)
    rows = [_trial_row(trial, workers) for trial in trials if _was_begun(trial)]
    own = [_worker_row(name, worker) for name, worker in workers.items()]
    outcomes = _outcomes(rows, workers)
    useful, epochs = _sum(row.cost for row in rows), epochs_of(trials)
    saved = useful.times(epochs.saved / useful.epochs) if useful.epochs else Cost()
    queued = [row.queued_h for row in own if row.queued_h is not None]
    whole = Row(
        "total",
        "total",
        "",
        sum(row.hours for row in own or rows),
        _sum(outcomes.values()),
        outcomes["lost"],
        sum(queued) if queued else None,
    )
    return Ledger(rows, own, outcomes, whole, saved)


def write_ledger(ledger: Ledger, file: Path) -> None:
    """Write all lines as CSV; what is not known is empty."""
    with replacing(file) as partial, partial.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for row in ledger.rows:
            c, lost = row.cost, row.lost
            used = (c.core_h, c.gpu_h, c.cpu_h, c.cpu_kwh, c.gpu_kwh, c.epochs)
            more = (lost.core_h, lost.gpu_h, lost.epochs, row.queued_h)
            figures = (row.hours, *used, *more)
            cells = ("" if x is None else f"{x:.6g}" for x in figures)
            writer.writerow([row.kind, row.name, row.outcome, *cells])


def ledger_lines(ledger: Ledger) -> list[tuple[str, str]]:
    """Return the ledger in a few words: pairs of a heading and a text."""
    total = ledger.total
    queued = f"; jobs waited {total.queued_h:.3g} h in the queue" if total.queued_h else ""
    lines = [("cost", f"{total.cost}{queued}")]
    whole = total.cost.core_h
    if whole > 0:
        shares = ((name, cost.core_h / whole) for name, cost in ledger.outcomes.items())
        told = (f"{_TOLD.get(name, name)} {x:.0%}" for name, x in shares if x >= 0.005)
        lines.append(("", ", ".join(told)))
    if ledger.saved.epochs:
        lines.append(("saved", f"about {ledger.saved}, by pruning"))
    return lines


def _was_begun(trial: FrozenTrial) -> bool:
    is_known = any(name in trial.user_attrs for name in (COST, SECONDS, LOSSES))
    return is_known or bool(trial.intermediate_values) or trial.state == TrialState.RUNNING


def _trial_row(trial: FrozenTrial, workers: Mapping[str, Present]) -> Row:
    mean = mean_of(workers)
    seconds = stored(trial.user_attrs, SECONDS, 0.0)
    used: Mapping[str, float] = stored(trial.user_attrs, COST, {})
    ended = cost_of(used) if used else mean.occupied(seconds)
    again = ended.times(min(1.0, used.get("repeated_s", 0.0) / seconds) if seconds else 0.0)
    lost = again + Cost(epochs=int(used.get("repeated", 0)))
    kept = ended + again.times(-1) + Cost(epochs=len(trial.intermediate_values))
    for loss in stored(trial.user_attrs, LOSSES, []):
        worker = workers.get(loss["worker"], mean)
        lost += worker.occupied(loss["lost_s"])
        kept += worker.occupied(max(0.0, loss["held_s"] - loss["lost_s"]))
    name, held_s = held(trial)
    kept += workers.get(name, mean).occupied(held_s)
    hours = (seconds + held_s) / 3600
    return Row("trial", str(trial.number), _OUTCOME[trial.state], hours, kept, lost)


def _worker_row(name: str, worker: Present) -> Row:
    queued_s = worker.record.get("queued_s")
    queued_h = queued_s / 3600 if isinstance(queued_s, int | float) else None
    epochs = Cost(epochs=int(worker.record.get("n_reports", 0)))
    hours = worker.seconds / 3600
    return Row("worker", name, "", hours, worker.cost + epochs, queued_h=queued_h)


def _outcomes(rows: Sequence[Row], workers: Mapping[str, Present]) -> dict[str, Cost]:
    found = dict.fromkeys(OUTCOMES, Cost())
    for row in rows:
        found[row.outcome] += row.cost
        found["lost"] += row.lost
    if workers:
        found["start-up"] = _sum(w.occupied(w.start_up_s) for w in workers.values())
        rest = _sum(w.cost for w in workers.values()) + _sum(found.values()).times(-1)
        found["between trials"] = rest.at_least_nothing()
    return found


def _sum(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())
