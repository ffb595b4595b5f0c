"""CPU time of simulated sweeps against their size (`make bench-simulate`).

    python -m benchmarks.load.simulate ["sizes=[[8,200],[1024,10000],[4096,40000]]"] [out=FILE]

A size is a number of workers and of trials. Each sweep has a process of its own: random search
with `hpo.AshaPruner` (min_resource 1 and 4) and with `hpo.PromotionPruner`, reduction_factor 3, on
a table of 300 made-up curves of 100 epochs and 7 hyperparameters. `exponent` is that of the CPU
time in trials from the size before; N log N from 10,000 to 40,000 trials is 1.1. Figures go to
benchmarks/results/simulate.json.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner

import hpo
from benchmarks.depends import HALVING
from benchmarks.record import write_result
from commons.cli import UsageError, run_command
from hpo.curves import CurveTable
from hpo.simulate.engine import replay
from hpo.simulate.trials import SampledTrials
from testbed.machine import commit, load, now, processor

_DEPENDS = (
    "benchmarks.load.simulate",
    "hpo.search.pausing",
    "hpo.search.promotion",
    "hpo.simulate.engine",
    "hpo.simulate.storage",
    "hpo.simulate.study",
    "hpo.simulate.trials",
    *HALVING,
)

_RANDOM = {"_target_": "optuna.samplers.RandomSampler"}
_EPOCHS, _ROWS = 100, 300
METHODS = ("asha", "asha_r4", "promotion")


@dataclass
class Settings:
    """What the command line may set.

    Args:
        sizes: workers and trials of each sweep.
        seed: of curves, proposals and speeds.
        out: the JSON file to write.
    """

    sizes: list[Any] = field(default_factory=lambda: [[8, 200], [1024, 10_000], [4096, 40_000]])
    seed: int = 0
    out: Path = Path(__file__).parents[1] / "results" / "simulate.json"


def table(seed: int) -> CurveTable:
    """Return made-up curves that fall towards different ends, with noise."""
    random = np.random.default_rng(seed)
    hyperparameters = random.random((_ROWS, 7))
    ends = 1 + np.square(hyperparameters - 0.4).sum(axis=1, keepdims=True)
    falls = random.uniform(0.3, 1.2, (_ROWS, 1))
    curves = ends + 3 * np.arange(1, _EPOCHS + 1) ** -falls
    names = tuple(f"x{i}" for i in range(7))
    return CurveTable(names, hyperparameters, curves + 0.02 * random.standard_normal(curves.shape))


def make_pruner(method: str) -> BasePruner:
    """Return the pruner of a method."""
    if method == "promotion":
        return hpo.PromotionPruner(1, 3, _EPOCHS)
    return hpo.AshaPruner(4 if method == "asha_r4" else 1, 3)


def measure(method: str, n_workers: int, n_trials: int, seed: int) -> dict[str, Any]:
    """Simulate a sweep; return what it cost and found."""
    trials = SampledTrials(table(seed), {**_RANDOM, "seed": seed}, seed, n_trials)
    before = time.process_time()
    run = replay(trials, make_pruner(method), n_workers=n_workers, seed=seed)
    return {
        "method": method,
        "n_workers": n_workers,
        "n_trials": n_trials,
        "cpu_s": round(time.process_time() - before, 3),
        "epochs": run.spent.epochs,
        "n_resumed": run.spent.n_resumed,
        "n_complete": len(run.finished),
        "best": run.final,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load": load(),
    }


def exponents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of one method with the exponent of CPU time in trials from the row before."""
    found = []
    for before, row in zip([None, *rows], rows, strict=False):
        exponent = None
        if before is not None and before["cpu_s"] and row["n_trials"] != before["n_trials"]:
            ratio = math.log(row["cpu_s"] / before["cpu_s"])
            exponent = round(ratio / math.log(row["n_trials"] / before["n_trials"]), 2)
        found.append({**row, "exponent": exponent})
    return found


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_run, Settings, arguments or ["seed=0"], __doc__)


def _run(settings: Settings) -> None:
    for size in settings.sizes:
        if not isinstance(size, list) or len(size) != 2 or not all(map(_is_positive, size)):
            raise UsageError(f"sizes: expected [workers,trials] of at least 1 each, got {size}")
    spawn, rows = multiprocessing.get_context("spawn"), []
    for method in METHODS:
        of_method = []
        for size in settings.sizes:
            with spawn.Pool(1, _quiet) as pool:
                row = pool.apply(measure, (method, *size, settings.seed))
            of_method.append(row)
            print("{method}: {n_workers} workers, {n_trials} trials: {cpu_s} s".format(**row))
        rows += exponents(of_method)
    record = {"date": now(), "processor": processor(), "commit": commit(), "rows": rows}
    seeds = [settings.seed]
    write_result(
        settings.out, record, command="make bench-simulate", depends=_DEPENDS, seeds=seeds
    )


def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _is_positive(value: Any) -> bool:
    return type(value) is int and value >= 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
