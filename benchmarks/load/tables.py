"""The figures of `benchmarks/results` as tables; docs/results/engine.md has the main rows.

python -m benchmarks.load.tables [names=[scale,storage]] [results=FOLDER]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commons.cli import choose, run_command

_NAMES = {"grpc": "proxy (`grpc://`)", "journal-postgresql": "`journal+postgresql://`"}


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table.

    >>> print(markdown(["workers", "own core"], [[8, "1 %"]]))
    | workers | own core |
    |---|---|
    | 8 | 1 % |
    """
    lines = [head, *rows]
    text = ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]])


def scale(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.scale`; a row without figures says why."""
    head = ["launcher", "storage", "workers", "epoch", "delay", "outside", "**own core**", "CPU"]
    head += ["a trial, ms: CPU + waiting for a core + blocked", "a report, ms", "load"]
    return markdown(head, [_scale_row(row, len(head)) for row in record["rows"]])


def _scale_row(row: dict[str, Any], width: int) -> list[object]:
    storage = _NAMES.get(row["kind"], row["kind"])
    begin = [row["launcher"], storage, row["workers"]]
    begin += [f"{row['epoch_s']:g} s", f"{row['delay_ms']:g} ms"]
    if "given_up" in row:
        return [*begin, f"given up: {row['given_up']}", *[""] * (width - len(begin) - 1)]
    shares = row["shares"]
    parts = [
        " + ".join(f"{row[kind][part]:.1f}" for part in ("cpu", "waiting", "blocked"))
        for kind in ("trial", "report")
    ]
    outside, own, cpu = (f"{shares[name]:.2%}" for name in ("outside", "own_core", "cpu"))
    return [*begin, outside, f"**{own}**", cpu, *parts, f"{row['load_after']:.0f}"]


def storage(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.storage`, and a line for each cell that it lacks."""
    head = ["storage", "workers", "reports/s offered", "stored", "p50", "p99", "longest"]
    head += ["CPU per report", "lost"]
    rows = [
        [
            *(_NAMES.get(cell["kind"], cell["kind"]), cell["n_workers"]),
            *(f"{cell[name]:.1f}" for name in ("offered", "achieved")),
            f"{cell['p50_ms']:.1f} ms",
            *(f"{cell[name]:.0f} ms" for name in ("p99_ms", "max_ms")),
            *(f"{cell['cpu_ms']:.1f} ms", cell["n_lost"]),
        ]
        for cell in record["cells"]
    ]
    lacking = [f"- {cell}: given up: {why}" for cell, why in record["failed"].items()]
    return "\n".join([markdown(head, rows), "", *lacking]).rstrip()


def latency(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.latency`: a line for each delay."""
    numbers = sorted({row["workers"] for row in record["rows"]})
    head = ["each call", *(f"{each}: {n}" for each in ("file", "proxy") for n in numbers)]
    found = {(row["delay_ms"], row["workers"]): row for row in record["rows"]}
    rows = [
        [f"+ {delay:g} ms"]
        + [f"{found[delay, n][key]:.0f}" for key in ("file_per_s", "proxy_per_s") for n in numbers]
        for delay in sorted({row["delay_ms"] for row in record["rows"]})
    ]
    return markdown(head, rows)


def study(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.study`: a column for each size."""
    rows = record["rows"]
    figures = [name for name in rows[0] if name != "n_trials"]
    head = ["CPU ms, median", *(f"{row['n_trials']} trials" for row in rows)]
    return markdown(head, [[name, *(f"{row[name]:.4g}" for row in rows)] for name in figures])


def overhead(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.overhead`: medians, a line per row and tool."""
    head = ["epochs", "tool", "wall, s", "first trial after, s", "end after the last epoch, s"]
    head += ["efficiency", "epochs run", "CPU s per trial", "of it after start-up", "MB"]
    figures = [
        *("wall_s", "start_up_s", "after_last_epoch_s", "efficiency", "n_epochs"),
        *("cpu_s", "loop_cpu_s", "memory_mb"),
    ]
    rows = [
        [
            name,
            tool,
            *(f"{x[figure]:.3g}" if x[figure] < 1e3 else f"{x[figure]:.0f}" for figure in figures),
        ]
        for name, tools in record["medians"].items()
        for tool, x in tools.items()
    ]
    return markdown(head, rows)


def simulate(record: dict[str, Any]) -> str:
    """Return the table of `benchmarks.load.simulate`: a line for each size, CPU seconds."""
    sizes = dict.fromkeys((row["n_workers"], row["n_trials"]) for row in record["rows"])
    found = {(row["method"], row["n_workers"], row["n_trials"]): row for row in record["rows"]}
    methods = [*dict.fromkeys(row["method"] for row in record["rows"])]
    head = ["workers", "trials", *(f"{method}, CPU s" for method in methods)]
    rows = [
        [*size, *(f"{found[method, *size]['cpu_s']:.3g}" for method in methods)] for size in sizes
    ]
    return markdown(head, rows)


_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    each.__name__: each for each in (overhead, scale, storage, latency, study, simulate)
}


@dataclass
class Settings:
    """What the command line may set.

    Args:
        names: of the tables.
        results: the folder of the JSON files.
    """

    names: list[str] = field(default_factory=lambda: [*_TABLES])
    results: Path = Path(__file__).parents[1] / "results"


def main(arguments: list[str]) -> int:
    """Print the tables; return the exit code."""
    return run_command(_run, Settings, arguments, __doc__)


def _run(settings: Settings) -> None:
    for name in settings.names:
        choose("names", name, _TABLES)
        file = settings.results / f"{name}.json"
        if file.is_file():
            print(f"{name}:\n\n{_TABLES[name](json.loads(file.read_text()))}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
