"""What a trial costs beside its training: Optuna, `hpo.optimize` and a Hydra sweep in turn.

    python -m benchmarks.load.overhead [rounds=3] [n_trials=64] [n_workers=8] [short=false] ...

Each tool runs the same study, in alternation: trials that replay made learning curves of 100
epochs (benchmarks/load/replay), TPE with the constant liar, a journal file, epochs of 10 ms
without pruning, of 10 ms and of 100 ms with ASHA (rungs 4, 12, 36). Pruned rows differ in their
epochs, as each pruner decides by what it knows, so compare efficiency in the row without pruning.

The figures are medians over the rounds; benchmarks/results/overhead.json has each run too.
`short=true` is a check in a minute: one round of 16 trials.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.depends import HALVING
from benchmarks.load.depends import JOURNAL, TRIALS, WORKERS
from benchmarks.load.replay.curves import N_EPOCHS
from benchmarks.record import write_result
from commons.cli import Failure, UsageError, run_command
from commons.processes import descendants, n_cores
from testbed.machine import commit, load, now, processor

_DEPENDS = (
    "benchmarks.load.overhead",
    "benchmarks.load.replay",
    "benchmarks/load/replay",
    *HALVING,
    *JOURNAL,
    *TRIALS,
    *WORKERS,
)

ROOT = Path(__file__).parents[2]
_REPLAY = ROOT / "benchmarks" / "load" / "replay"
TOOLS = ("optuna", "optimize", "hydra")
# Seconds of an epoch, and whether trials are pruned.
ROWS = {"10 ms, no pruning": (0.01, False), "10 ms": (0.01, True), "100 ms": (0.1, True)}
_SAMPLE_S = 0.5
_LIMIT_S = 600


@dataclass
class Settings:
    """What the command line may set; see the module's text.

    Args:
        rounds: how often each tool runs each row.
        n_trials: of a study.
        n_workers: processes.
        rows: which rows.
        short: one round of 16 trials.
        out: folder of the JSON file.
    """

    rounds: int = 3
    n_trials: int = 64
    n_workers: int = 8
    rows: list[str] = field(default_factory=lambda: [*ROWS])
    short: bool = False
    out: Path = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Visit:
    """One process in one trial: a line of the log of `replay`."""

    pid: int
    begin: float
    end: float
    cpu_begin: float
    cpu_end: float
    n_epochs: int


@dataclass(frozen=True)
class Run:
    """The figures of one run.

    Attributes:
        wall_s: from the start of the command to its end.
        start_up_s: until the first trial begins.
        after_last_epoch_s: from the end of the last trial's training to that of the command.
        n_trials: how many ran.
        n_epochs: of all trials.
        efficiency: epochs times their length, of the time of all workers.
        cpu_s: of the whole tree of processes, per trial.
        loop_cpu_s: of the workers after their start-up, per trial: inside a training and between
            two.
        memory_mb: most of the tree, shared pages counted once.
        load: of the machine before.
    """

    wall_s: float
    start_up_s: float
    after_last_epoch_s: float
    n_trials: int
    n_epochs: int
    efficiency: float
    cpu_s: float
    loop_cpu_s: float
    memory_mb: float
    load: float


class _Memory(threading.Thread):
    """Watches how much memory this process's descendants use at most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_mb, self._over = 0.0, threading.Event()

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.most_mb = max(self.most_mb, sum(map(_pss_mb, descendants())))

    def end(self) -> None:
        self._over.set()
        self.join()


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def commands(
    tool: str, folder: Path, row: tuple[float, bool], settings: Settings
) -> list[list[str]]:
    """Return the commands of a run, which work together."""
    epoch_s, prunes = row
    if tool == "hydra":
        app = [sys.executable, str(_REPLAY / "app.py"), "-m", f"epoch_s={epoch_s}"]
        app += [f"log={folder / 'log'}", f"hydra.sweeper.n_trials={settings.n_trials}"]
        app += [f"hydra.sweeper.n_workers={settings.n_workers}"]
        return [app if prunes else [*app, "hydra.sweeper.pruner=null"]]
    how = "prunes" if prunes else "completes"
    plain = [sys.executable, str(_REPLAY / "plain.py"), tool, str(folder), str(epoch_s)]
    return [[*plain, str(settings.n_trials), how]] * settings.n_workers


def measure(tool: str, row: tuple[float, bool], settings: Settings) -> Run:
    """Run a study to its end.

    Raises:
        Failure: a process failed.
    """
    before, memory = load(), _Memory()
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        memory.start()
        begin, cpu_before = time.time(), os.times()
        with (folder / "output").open("w") as output:
            running = [
                subprocess.Popen(
                    command, cwd=folder, env=environment, stdout=output, stderr=output
                )
                for command in commands(tool, folder, row, settings)
            ]
            codes = [process.wait(_LIMIT_S) for process in running]
        end, cpu_after = time.time(), os.times()
        memory.end()
        if any(codes):
            raise Failure(f"{tool} ended with {codes}: {(folder / 'output').read_text()[-2000:]}")
        visits = read_log(folder / "log")
    cpu_s = sum(after - b for after, b in zip(cpu_after[2:4], cpu_before[2:4], strict=True))
    slept_s = row[0] * sum(visit.n_epochs for visit in visits)
    return Run(
        wall_s=end - begin,
        start_up_s=min(visit.begin for visit in visits) - begin,
        after_last_epoch_s=end - max(visit.end for visit in visits),
        n_trials=len(visits),
        n_epochs=sum(visit.n_epochs for visit in visits),
        efficiency=slept_s / (settings.n_workers * (end - begin)),
        cpu_s=cpu_s / len(visits),
        loop_cpu_s=loop_cpu_s(visits) / len(visits),
        memory_mb=memory.most_mb,
        load=before,
    )


def read_log(path: Path) -> list[Visit]:
    """Return the lines of a log."""
    kinds = {"int": int, "float": float}
    as_types = [kinds[str(field.type)] for field in fields(Visit)]
    rows = [line.split() for line in path.read_text().splitlines()]
    return [Visit(*(kind(x) for kind, x in zip(as_types, row, strict=True))) for row in rows]


def loop_cpu_s(visits: Sequence[Visit]) -> float:
    """Return the CPU time of the workers after their start-up.

    What comes before the first trial of a worker is not seen apart from its start-up: it counts
    as much as the mean of the others.
    """
    total = 0.0
    for pid in {visit.pid for visit in visits}:
        own = sorted((v for v in visits if v.pid == pid), key=lambda visit: visit.begin)
        gaps = [later.cpu_begin - earlier.cpu_end for earlier, later in pairwise(own)]
        total += sum(visit.cpu_end - visit.cpu_begin for visit in own)
        total += sum(gaps) * len(own) / max(len(gaps), 1)
    return total


def medians(runs: Sequence[Run]) -> dict[str, float]:
    """Return the median of each figure."""
    return {
        field.name: round(statistics.median(getattr(run, field.name) for run in runs), 4)
        for field in fields(Run)
    }


def table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the medians as text."""
    head = "wall  start  after last  efficiency  epochs  CPU s/trial  loops  MB"
    lines = [f"{'':30}{head}"]
    for name, tools in rows.items():
        for tool, x in tools.items():
            lines.append(
                f"{tool:10}{name:20}{x['wall_s']:4.1f} {x['start_up_s']:6.2f} "
                f"{x['after_last_epoch_s']:11.2f} {x['efficiency']:11.3f} {x['n_epochs']:7.0f} "
                f"{x['cpu_s']:12.3f} {x['loop_cpu_s']:6.3f} {x['memory_mb']:4.0f}"
            )
    return "\n".join(lines)


def _measure_all(settings: Settings) -> None:
    if settings.short:
        settings.rounds, settings.n_trials = 1, 16
    if unknown := [row for row in settings.rows if row not in ROWS]:
        raise UsageError(f"rows: {unknown[0]} is not one of {', '.join(ROWS)}")
    chosen = {name: ROWS[name] for name in settings.rows}
    runs: dict[str, dict[str, list[Run]]] = {row: {tool: [] for tool in TOOLS} for row in chosen}
    for number in range(settings.rounds):
        turn = TOOLS[number % len(TOOLS) :] + TOOLS[: number % len(TOOLS)]
        for name, row in chosen.items():
            for tool in turn:
                run = measure(tool, row, settings)
                runs[name][tool].append(run)
                print(f"round {number}, {name}, {tool}: {run.wall_s:.1f} s", flush=True)
    rows = {name: {tool: medians(r) for tool, r in tools.items()} for name, tools in runs.items()}
    print(table(rows))
    path = settings.out / "overhead.json"
    figures = _result(settings, rows, runs)
    write_result(path, figures, command="make bench-overhead", depends=_DEPENDS)
    print(f"written to {path}")


def _result(settings: Settings, rows: Any, runs: Any) -> dict[str, Any]:
    each = {n: {tool: [*map(asdict, r)] for tool, r in t.items()} for n, t in runs.items()}
    return {
        "date": now(),
        "commit": commit(),
        "processor": processor(),
        "n_cores": n_cores(),
        "n_workers": settings.n_workers,
        "n_trials": settings.n_trials,
        "epochs_of_a_trial": N_EPOCHS,
        "medians": rows,
        "runs": each,
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print and write the JSON file; see the module's text."""
    return run_command(_measure_all, Settings, arguments, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
