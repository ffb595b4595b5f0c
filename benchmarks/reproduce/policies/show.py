"""The comparison of policies: on the screen, as JSON and as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.reproduce.policies import figures, picture
from benchmarks.reproduce.policies.draws import Draws
from benchmarks.reproduce.policies.figures import REFERENCE, Figures, Trial
from benchmarks.reproduce.policies.found import Found
from benchmarks.reproduce.policies.problems import Problem
from benchmarks.reproduce.policies.rows import Row
from commons.console import Console, Table
from hpo.simulate.report import figures_table, or_never

_Key = tuple[str, int]  # method and workers


class Comparison:
    """Rows with what they are measured by.

    Args:
        problems: the tables.
        draws, fronts: by the name of a table; fronts are of `found.find`.
        rows: all of the same draws.
        resume_epochs: charged for each resumption.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        draws: dict[str, Draws],
        fronts: dict[str, list[Found]],
        rows: Sequence[Row],
        resume_epochs: float,
    ) -> None:
        self._problems, self._draws, self._fronts = problems, draws, fronts
        self._rows, self._resume_epochs = rows, resume_epochs

    @cached_property
    def _trials(self) -> dict[_Key, list[Trial]]:
        trials: dict[_Key, list[Trial]] = {}
        for problem in self._problems:
            here = [r for r in self._rows if r.table == problem.name and r.mode == "pool"]
            reference = next((row for row in here if row.method == REFERENCE), None)
            draws, front = self._draws[problem.name], self._fronts[problem.name]
            for row in here:
                trial = figures.measure_row(
                    row, reference, problem, draws, front, self._resume_epochs
                )
                trials.setdefault((row.method, row.workers), []).append(trial)
        return trials

    @cached_property
    def _of_tables(self) -> dict[str, list[Figures]]:
        """Of each table, the figures of its rows."""
        by_table: dict[str, list[Figures]] = {problem.name: [] for problem in self._problems}
        for trials in self._trials.values():
            for trial in trials:
                by_table[trial.row.table].append(figures.of_table(trial))
        return by_table

    @cached_property
    def _overall(self) -> list[Figures]:
        hyperband = self._trials.get((REFERENCE, 1), [])
        return [figures.over_tables(trials, hyperband) for trials in self._trials.values()]

    @cached_property
    def _pairs(self) -> list[Figures]:
        inner = figures.inner_of(row for row in self._rows if row.mode == "pool")
        return [
            figures.pair(self._trials[name, workers], self._trials[inner[name], workers])
            for name, workers in self._trials
            if (inner.get(name), workers) in self._trials
        ]

    def _left_out(self, cap: float) -> list[Figures]:
        alone = {name: trials for (name, workers), trials in self._trials.items() if workers == 1}
        complete = {n: ts for n, ts in alone.items() if len(ts) == len(self._problems)}
        return figures.left_out(complete, cap) if complete else []

    @cached_property
    def _sampled(self) -> list[Figures]:
        return [figures.of_sampler(row) for row in self._rows if row.mode == "sampler"]

    def summary(self, cap: float, settings: dict[str, Any]) -> dict[str, Any]:
        """Return all figures for the JSON file."""
        kept = ("scale", "first", "draws", "pool_size", "sweeps", "budget", "resume_epochs")
        return {
            "settings": {key: settings[key] for key in (*kept, "queue_epochs", "ladders", "cap")},
            "tables": {problem.name: self._facts(problem) for problem in self._problems},
            "overall": self._overall,
            "pairs": self._pairs,
            "family_left_out": self._left_out(cap),
            "samplers": self._sampled,
            "by_table": [f for here in self._of_tables.values() for f in here],
        }

    def _facts(self, problem: Problem) -> dict[str, Any]:
        draws = self._draws[problem.name]
        return {
            "family": problem.family,
            "rows": len(problem.table),
            "epochs": problem.table.n_epochs,
            "sha256": problem.table.sha256,
            "tolerance": problem.tolerance,
            "pool": draws.losses.shape[1],
            "hyperband_epochs": float(draws.epochs.mean()),
            "overlap": draws.evidence.overlap,
            "winners": len(set(draws.evidence.winners)),
            "independent": draws.evidence.independent,
        }

    def draw(self, folder: Path) -> None:
        """Write a picture per table."""
        for problem in self._problems:
            here = [f for f in self._of_tables[problem.name] if f["workers"] == 1]
            if here:
                title = f"{problem.name}: {self._evidence(problem)}"
                front = self._fronts[problem.name]
                picture.draw(folder / f"{problem.name}.png", title, here, front)

    def _evidence(self, problem: Problem) -> str:
        draws = self._draws[problem.name]
        n_draws, n, _ = draws.losses.shape
        worth = f"worth {draws.evidence.independent:.1f} independent ones"
        return f"{n_draws} draws of {n} trainings, {worth}"

    def print(self, console: Console, cap: float) -> None:
        """Print all tables."""
        for problem in self._problems:
            if here := self._of_tables[problem.name]:
                console.print(_of_table(problem, self._draws[problem.name], here))
                console.print(str(self._draws[problem.name].evidence))
        if self._overall:
            console.print(_overall(self._overall))
        if self._pairs:
            console.print(_pairs(self._pairs))
        if left_out := self._left_out(cap):
            console.print(_left_out(left_out, cap))
        if self._sampled:
            console.print(_sampled(self._sampled))


def _of_table(problem: Problem, draws: Draws, rows: Sequence[Figures]) -> Table:
    n, epochs = draws.losses.shape[1:]
    table = figures_table(
        f"{problem.name} ({problem.family}): draws of {n} trainings of {epochs} epochs",
        ("share", "reload", "duration", "P", "gap", "found: P", "gap", "won/lost"),
    )
    for f in rows:
        found = (f"{f['found_p']:.2f}", f"{f['found_gap']:.4f}") if "found" in f else ("", "")
        table.add_row(
            _name(f),
            _percent(f["share"]),
            _percent(f["share_reload"]),
            "" if f["duration"] is None else f"{f['duration']:.0f}",
            _number(f["p"], f["p_se"], 2),
            _number(f["gap"], f["gap_se"], 4),
            *found,
            f"{f['found_won']}/{f['found_lost']}" if "found" in f else "",
        )
    return table


def _overall(rows: Sequence[Figures]) -> Table:
    table = figures_table(
        f"{max(f['tables'] for f in rows)} tables; families weigh alike, ± over families",
        (
            *("tables", "share", "greatest", "reload", "P", "worst P"),
            *("gap", "worst", "/ Hyperband's", "found: won/lost", "p"),
        ),
    )
    for f in rows:
        ratio, sign_p = f["gap_of_hyperband"], f["found_sign_p"]
        table.add_row(
            _name(f),
            str(f["tables"]),
            _number(f["share"], f["share_se"], 2),
            f"{f['greatest_share']:.2f}",
            f"{f['share_reload']:.2f}",
            f"{f['p']:.2f}",
            f"{f['worst_p']:.2f} {f['worst_table']}",
            _number(f["gap"], f["gap_se"], 4),
            f"{f['worst_gap']:.4f}",
            "" if ratio is None else f"{ratio:.2f}",
            f"{f['found_won']}/{f['found_lost']}",
            "" if sign_p is None else f"{sign_p:.2g}",
        )
    return table


def _pairs(rows: Sequence[Figures]) -> Table:
    table = figures_table(
        "against the rule beneath, all tables", ("beneath", "won/lost", "p", "epochs")
    )
    for f in rows:
        sign_p = "" if f["sign_p"] is None else f"{f['sign_p']:.2g}"
        votes = f"{f['won']}/{f['lost']}"
        table.add_row(f["method"], f["other"], votes, sign_p, _percent(f["epochs_ratio"]))
    return table


def _left_out(rows: Sequence[Figures], cap: float) -> Table:
    table = figures_table(
        f"chosen by gap on the other families, at a mean share of at most {cap:.2f}",
        ("chosen", "share", "worst P", "gap"),
    )
    for f in rows:
        cells = _percent(f["share"]), f"{f['worst_p']:.2f}", f"{f['gap']:.4f}"
        table.add_row(f["family"], f["chosen"], *cells)
    return table


def _sampled(rows: Sequence[Figures]) -> Table:
    table = figures_table(
        "with a sampler: epochs until a trial ends within the tolerance of the best",
        ("table", "solved", "median", "quartiles"),
    )
    for f in rows:
        low, high = map(or_never, f["quartiles"])
        solved = f"{f['solved']} of {f['sweeps']}"
        table.add_row(_name(f), f["table"], solved, or_never(f["median"]), f"{low} - {high}")
    return table


def _name(f: Figures) -> str:
    return f["method"] if f["workers"] == 1 else f"{f['method']}, {f['workers']} workers"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _number(value: float, error: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
