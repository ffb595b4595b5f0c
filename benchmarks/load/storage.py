"""Which storage serves how many workers (`make bench-storage`).

    python -m benchmarks.load.storage [kinds=[journal,...]] [workers=[8,32,96,256]] [epoch_s=2] ...

Light processes play the workers: each reports a value at the end of every epoch and asks ASHA
whether to stop, as a trial of `hpo` does, and then trains (sleeps) for the next epoch. They share
the cores of this machine with the server; on a cluster each has its own. A cell of the table has
a new storage with `n_finished` trials in it, a warm-up, and a window of `window_s`.
Kinds: journal, optuna-journal (Optuna's own file and lock), grpc (our proxy in front of our
journal), redis, journal-postgresql (our journal in a table), and by Optuna's own protocols
postgresql, optuna-grpc, grpc-postgresql. Figures go to benchmarks/results/storage.json.

Each cell is written when it is measured. One whose workers are not ready within `ready_s`, or do
not end in time, is given up; so are all larger ones of a storage that has stored less than half of
what was offered. The file says so under `failed`.

A storage is saturated where the slowest of 100 reports takes more than 5 % of an epoch, or where
less than 95 % of the reports are made that an infinitely fast storage would get.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from benchmarks.depends import HALVING
from benchmarks.load import tables
from benchmarks.load.depends import JOURNAL, SERVERS
from benchmarks.load.forked import in_child, received, started
from benchmarks.load.servers import KINDS, served
from benchmarks.record import write_result
from commons.cli import UsageError, choose, run_command
from commons.optuna_internals import trial_id
from commons.terminal import one_line
from hpo.storage.opening import open_storage
from hpo.study.lease import Lease
from hpo.study.trial import LeasedTrial
from testbed.machine import commit, load, now, processor
from testbed.packages import Unavailable

_DEPENDS = (
    *("benchmarks.load.forked", "benchmarks.load.storage", "hpo.study.lease", "hpo.study.trial"),
    *HALVING,
    *JOURNAL,
    *SERVERS,
)

OPTUNA = "optuna-journal"
_STUDY = "study"
_EPOCHS = 27
_HOPELESS = 0.5  # of what is offered: a larger number of workers is not tried
_END_S = 60.0  # from the end of the window until the last report has ended


@dataclass
class Settings:
    """What the command line may set.

    Args:
        kinds: of storage, a row each.
        workers: numbers of workers, a column each.
        epoch_s: time between the reports of a worker.
        warm_up_s: before the window.
        window_s: a multiple of `epoch_s`.
        n_finished: trials that the study has already.
        ready_s: the longest start of all workers.
        out: the JSON file to write.
    """

    kinds: list[str] = field(default_factory=lambda: ["journal", OPTUNA, *KINDS[1:]])
    workers: list[int] = field(default_factory=lambda: [8, 32, 96, 256])
    epoch_s: float = 2.0
    warm_up_s: float = 3.0
    window_s: float = 12.0
    n_finished: int = 100
    ready_s: float = 60.0
    out: Path = Path(__file__).parents[1] / "results" / "storage.json"


@dataclass(frozen=True)
class Cell:
    """One kind of storage with one number of workers.

    Attributes:
        kind: of storage.
        n_workers: processes that report.
        offered: reports per second if the storage were infinitely fast.
        achieved: reports per second.
        p50_ms: median time of a report with its decision.
        p99_ms: 99th percentile.
        max_ms: the longest.
        cpu_ms: CPU time of a report, all processes together.
        n_lost: reports that were accepted and are not in the study.
        load: of the machine, at the end.
    """

    kind: str
    n_workers: int
    offered: float
    achieved: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    n_lost: int
    load: float

    def is_saturated(self, epoch_s: float) -> bool:
        """Tell whether workers lose more than 5 % of their time, in an epoch or on average."""
        return self.p99_ms > 50 * epoch_s or self.achieved < 0.95 * self.offered


def measure(kind: str, n_workers: int, settings: Settings, folder: Path) -> Cell:
    """Return the figures of one cell.

    Raises:
        RuntimeError: it is given up, or a server does not come up.
    """
    with served("journal" if kind == OPTUNA else kind, folder) as server:

        def connect() -> BaseStorage:
            if kind != OPTUNA:
                return open_storage(server.spec, folder, patience_s=60)
            return JournalStorage(
                JournalFileBackend(server.spec, JournalFileOpenLock(server.spec))
            )

        # The parent never opens it: connections to proxy and database do not survive a fork.
        ready_at = time.monotonic() + settings.ready_s
        ids = in_child(lambda: _prepare(connect(), n_workers, settings.n_finished), ready_at)
        with started([partial(_report, connect, i, settings) for i in ids]) as pipes:
            received(pipes, ready_at, "ready")
            begin = time.monotonic() + 1.0
            for pipe in pipes:
                pipe.send(begin)
            time.sleep(max(0.0, begin + settings.warm_up_s - time.monotonic()))
            server_cpu_s = server.cpu_s()
            time.sleep(settings.window_s)
            server_cpu_s = server.cpu_s() - server_cpu_s
            at_end = load()
            returns = received(pipes, time.monotonic() + _END_S, "at their end")
        n_lost = in_child(
            lambda: _n_lost(connect(), ids, [one[0] for one in returns]), time.monotonic() + _END_S
        )
    times_ms = 1e3 * np.concatenate([one[1] for one in returns])
    shown_ms = times_ms if len(times_ms) else [1e3 * settings.window_s]  # no report was finished
    used_s = server_cpu_s + sum(one[3] for one in returns)
    p50, p99, slowest = np.percentile(shown_ms, [50, 99, 100])
    return Cell(
        kind=kind,
        n_workers=n_workers,
        offered=n_workers / settings.epoch_s,
        achieved=sum(one[2] for one in returns) / settings.window_s,
        p50_ms=float(p50),
        p99_ms=float(p99),
        max_ms=float(slowest),
        cpu_ms=1e3 * used_s / max(len(times_ms), 1),
        n_lost=n_lost,
        load=at_end,
    )


def limits(cells: list[Cell], epoch_s: float) -> dict[str, int | None]:
    """Return the number of workers above which each kind is saturated; None: not seen."""
    kinds = dict.fromkeys(cell.kind for cell in cells)
    found = {
        kind: [
            cell.n_workers for cell in cells if cell.kind == kind and cell.is_saturated(epoch_s)
        ]
        for kind in kinds
    }
    return {kind: min(numbers, default=None) for kind, numbers in found.items()}


def row(cell: Cell) -> str:
    """Return a cell as a line of the table."""
    return (
        f"{cell.kind:16} {cell.n_workers:7} {cell.offered:9.1f} {cell.achieved:9.1f} "
        f"{cell.p50_ms:8.1f} {cell.p99_ms:8.1f} {cell.max_ms:8.0f} {cell.cpu_ms:7.1f} "
        f"{cell.n_lost:5} {cell.load:6.1f}"
    )


HEAD = (
    "storage          workers offered/s  stored/s  p50/ms   p99/ms   max/ms  CPU/ms  lost   load"
)


def _prepare(storage: BaseStorage, n_workers: int, n_finished: int) -> list[int]:
    """Make a study with finished trials, and a RUNNING one for each worker."""
    study = optuna.create_study(storage=storage, study_name=_STUDY)
    unit = optuna.distributions.FloatDistribution(0, 1)
    space: dict[str, optuna.distributions.BaseDistribution] = {f"x{i}": unit for i in range(5)}
    draw = random.Random(1)
    for _ in range(n_finished):
        value = draw.random()
        study.add_trial(
            optuna.trial.create_trial(
                value=value,
                params={name: draw.random() for name in space},
                distributions=space,
                intermediate_values={step: value + 1 / step for step in range(1, 10)},
                system_attrs={f"completed_rung_{i}": value + 1 / 3**i for i in range(3)},
            )
        )
    return [trial_id(study.ask(space)) for _ in range(n_workers)]


def _report(
    connect: Callable[[], BaseStorage], trial_id: int, settings: Settings
) -> Callable[[float], Any]:
    """Prepare; return a function of the start time, which does the work.

    It returns the steps that were stored, the time of each report in the window, how many of them
    ended in it, and the CPU time.
    """
    storage = connect()
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.load_study(
        study_name=_STUDY, storage=storage, pruner=pruner, sampler=optuna.samplers.RandomSampler()
    )
    draw = random.SystemRandom()
    value = draw.random()

    study.get_trials(deepcopy=False)  # a worker knows the finished trials already

    def work(begin: float) -> tuple[list[int], list[float], int, float]:
        start = begin + settings.warm_up_s
        end = start + settings.window_s
        cpu_s: float | None = None
        n_done = 0
        times: list[float] = []
        steps: list[int] = []
        with Lease(storage, trial_id, 60.0) as lease:
            trial = LeasedTrial(study, trial_id, lease)
            time.sleep(max(0.0, begin + draw.uniform(0, settings.epoch_s) - time.monotonic()))
            while (now := time.monotonic()) < end and len(steps) < _EPOCHS:
                if now >= start and cpu_s is None:
                    cpu_s = time.process_time()
                step = len(steps) + 1
                trial.should_stop(value + 1 / step, step)
                done = time.monotonic()
                steps.append(step)
                if done >= start:  # also what began before or ends after the window
                    times.append(done - now)
                    n_done += done <= end
                time.sleep(settings.epoch_s)
            used_s = time.process_time() - (cpu_s or time.process_time())
        return steps, times, n_done, used_s

    return work


def _n_lost(storage: BaseStorage, ids: list[int], steps: list[list[int]]) -> int:
    stored = [storage.get_trial(i).intermediate_values.keys() for i in ids]
    return sum(len(set(own) - there) for own, there in zip(steps, stored, strict=True))


def main(arguments: list[str]) -> int:
    """Measure all cells, print them and write the JSON file; see the module's text."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> int:
    for kind in settings.kinds:
        choose("kinds", kind, (OPTUNA, *KINDS))
    if settings.warm_up_s + settings.window_s > (_EPOCHS - 1) * settings.epoch_s:
        raise UsageError(f"warm_up_s + window_s must be at most {_EPOCHS - 1} epochs")
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    record: dict[str, Any] = {
        "cells": [],
        "failed": {},
        "saturated_from": {},
        "epoch_s": settings.epoch_s,
        "n_finished": settings.n_finished,
        "load_before": load(),
        "processor": processor(),
        "commit": commit(),
        "date": now(),
    }
    print(f"load of this machine before: {record['load_before']}\n{HEAD}", flush=True)
    for kind in settings.kinds:
        _measure_kind(kind, settings, record)
    print(f"written to {settings.out}\n\n{tables.storage(record)}")
    return 0


def _measure_kind(kind: str, settings: Settings, record: dict[str, Any]) -> None:
    hopeless = ""
    cells: list[Cell] = []
    for n_workers in settings.workers:
        print(f"... {kind}, {n_workers} workers", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="storage-"))
        try:
            if hopeless:
                raise RuntimeError(hopeless)
            cells.append(measure(kind, n_workers, settings, folder))
            print(row(cells[-1]), flush=True)
            record["cells"].append(asdict(cells[-1]))
            record["saturated_from"] |= limits(cells, settings.epoch_s)
            if cells[-1].achieved < _HOPELESS * cells[-1].offered:
                hopeless = f"{n_workers} workers stored less than half of what they offered"
        except (Unavailable, RuntimeError, OSError, SubprocessError) as error:
            record["failed"][f"{kind}, {n_workers} workers"] = one_line(str(error))[:300]
            print(f"{kind}, {n_workers} workers: given up: {error}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        write_result(settings.out, record, command="make bench-storage", depends=_DEPENDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
