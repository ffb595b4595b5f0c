"""Growing the promising on 1,024 GPUs, simulated (`make repro-rasda`).

    python -m benchmarks.reproduce.rasda [seeds=10] [efficiencies=[0.7,0.8,0.9,1.0]] [out=FILE]

The published run is that of RASDA, arXiv:2412.02729. From its abstract: up to 1,024 GPUs, up to
1.9 times as fast as ASHA. From its code (github.com/olympiquemarcel/rasda): successive halving
with eta 2 from the first report on, a trial's GPUs are doubled at each rung, and the example
trains four trials on four GPUs each, which are all there are, for at most 8 reports of 5 epochs.
Here this example is 64 times as large: 256 trials on 1,024 GPUs. Made up are learning curves,
times and efficiencies.

Compared, with the policies of live sweeps: ASHA (stopping) and promotion, four GPUs for each
trial, and promotion whose trials grow from 4 to 32 GPUs. On four GPUs the time of a step is
always the same; each doubling beyond them leaves the efficiency as the share of the ideal speed. A
change of size costs `restart_s`, half for the start of the workers, half until the first epoch.
There is no queue, as in one allocation. Scenarios: the published shape; with a dearer change of
size; with four times as many trials as the GPUs hold.

Figures go to benchmarks/results/rasda.json, the sweeps of the first scenario at the efficiency 0.8
(or the first one given) to the folder beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner

import hpo
from benchmarks.depends import HALVING
from benchmarks.record import write_result
from benchmarks.reproduce.depends import SIMULATED
from commons.cli import UsageError, run_command
from commons.console import Console
from commons.pools import advance, run_tasks
from hpo.curves import CurveTable
from hpo.growth import Growth
from hpo.simulate import report_time
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.engine import replay
from hpo.simulate.gpus import Gpus
from hpo.simulate.run import Run
from hpo.simulate.timelines import make_row
from hpo.simulate.trials import RowTrials

N_GPUS, STEPS, ETA = 1024, 8, 2  # a step is a report, of 5 epochs in the published example
FIXED, GROWING = Growth({0: 4}), Growth({0: 4, 1: 8, 2: 16, 4: 32})
STEP_S, SIGMA = 600.0, 0.1  # of a step on four GPUs, and spread of the trials' speeds
METHODS = ("asha", "promotion", "growing")

_DEPENDS = (
    "benchmarks.reproduce.rasda",
    "hpo.growth",
    "hpo.search.growth",
    "hpo.simulate.gpus",
    "hpo.simulate.timelines",
    *HALVING,
    *SIMULATED,
)


@dataclass(frozen=True)
class Scenario:
    """How many trials there are, and what a change of size costs in seconds."""

    name: str
    n_trials: int
    restart_s: float


SCENARIOS = (
    Scenario("published shape", 256, 60),
    Scenario("slow change of size", 256, 300),
    Scenario("four times the trials", 1024, 60),
)


@dataclass
class Settings:
    """What the command line may set."""

    seeds: int = 10
    efficiencies: list[float] = field(default_factory=lambda: [0.7, 0.8, 0.9, 1.0])
    n_jobs: int | None = None
    out: Path = Path("benchmarks/results/rasda.json")

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.seeds < 1:
            raise UsageError(f"seeds={self.seeds}: must be at least 1")
        if not self.efficiencies or not all(0 < e <= 1 for e in self.efficiencies):
            raise UsageError(f"efficiencies={self.efficiencies}: expected numbers in (0, 1]")


@dataclass(frozen=True)
class Case:
    """A method in a scenario; without growth the efficiency changes nothing."""

    scenario: Scenario
    method: str
    efficiency: float | None = None


def main(arguments: list[str]) -> int:
    """Simulate the sweeps; see the module's text."""
    return run_command(_reproduce, Settings, arguments or ["seeds=10"], __doc__)


def _reproduce(settings: Settings) -> None:
    cases = make_cases(settings.efficiencies)
    tasks = [(case, seed) for case in cases for seed in range(settings.seeds)]
    runs = run_tasks(
        _simulate,
        tasks,
        n_steps=len(tasks),
        description="sweeps",
        n_processes=settings.n_jobs,
        isolated=True,
    )
    n = settings.seeds
    full = [_row(case, runs[i * n : (i + 1) * n]) for i, case in enumerate(cases)]
    rows = compare(cases, full)
    result = {
        "published": {"gpus": N_GPUS, "faster_than_asha_up_to": 1.9, "source": "arXiv:2412.02729"},
        "settings": {"seeds": n, "step_s": STEP_S, "sigma": SIGMA, "steps": STEPS, "eta": ETA}
        | {"growing": {str(step): gpus for step, gpus in GROWING.gpus.items()}},
        "versions": {"optuna": version("optuna"), "numpy": version("numpy")},
        "rows": rows,
    }
    command, seeds = "make repro-rasda", range(settings.seeds)
    write_result(settings.out, result, command=command, depends=_DEPENDS, seeds=seeds)
    _show(settings, cases, full, rows)


def make_cases(efficiencies: Sequence[float]) -> list[Case]:
    """Return what is simulated: the methods without growth once per scenario."""
    cases = []
    for scenario in SCENARIOS:
        cases += [Case(scenario, method) for method in METHODS[:2]]
        cases += [Case(scenario, METHODS[2], efficiency) for efficiency in efficiencies]
    return cases


def make_table(n_trials: int, seed: int) -> CurveTable:
    """Return made-up curves that fall towards different ends, some fast and some late."""
    random = np.random.default_rng(seed)
    hyperparameters = random.random((n_trials, 4))
    ends = 1 + np.square(hyperparameters - 0.4).sum(axis=1, keepdims=True)
    falls = random.uniform(0.3, 1.2, (n_trials, 1))
    curves = ends + 3 * np.arange(1, STEPS + 1) ** -falls
    curves += 0.02 * random.standard_normal(curves.shape)
    return CurveTable(("a", "b", "c", "d"), hyperparameters, curves)


def simulate(case: Case, seed: int, n_gpus: int = N_GPUS) -> Run:
    """Simulate one sweep."""
    n_trials, half_s = case.scenario.n_trials, case.scenario.restart_s / 2
    pruner: BasePruner = hpo.AshaPruner(1, ETA, "last")
    if case.method != "asha":
        pruner = hpo.PromotionPruner(1, ETA, STEPS, "last")
    growth = GROWING if case.method == "growing" else FIXED
    gpus = Gpus(n_gpus, growth, case.efficiency or 1.0)
    cluster = Cluster(
        epoch_s=STEP_S * gpus.speed(FIXED.after(0)),
        epoch_sigma=SIGMA,
        start_s=Duration((half_s,)),
        begin_s=half_s,
        resume_s=half_s,
    )
    trials = RowTrials(make_table(n_trials, seed), np.arange(n_trials))
    return replay(trials, pruner, gpus=gpus, seed=seed, cluster=cluster)


def _simulate(task: tuple[Case, int]) -> Run:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run = simulate(*task)
    advance()
    return run


def _row(case: Case, runs: Sequence[Run]) -> dict[str, Any]:
    timelines = [run.timeline for run in runs if run.timeline is not None]
    finals, epochs = [run.final for run in runs], [run.spent.epochs for run in runs]
    name = case.method if case.efficiency is None else f"{case.method} at {case.efficiency:g}"
    row = make_row(timelines, "minimize", 1.0, "gpu")
    spent = {"best": float(np.median(finals)), "steps": float(np.median(epochs))}
    return {"name": name, **row, **spent}


def compare(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures of each case beside ASHA in its scenario.

    Returns:
        Medians over the seeds, times in hours: `gpu_h` are GPU-hours of workers that are there,
        `allocated_gpu_h` those of all GPUs to the end; `busy` is the share of the latter that
        trained; `faster` and `best_earlier` are the times of ASHA divided by these.
    """
    asha = {c.scenario: row for c, row in zip(cases, rows, strict=True) if c.method == "asha"}
    return [
        {
            **asdict(case.scenario),
            "method": case.method,
            "efficiency": case.efficiency,
            **{key: row[key] for key in ("wall_h", "best_h", "gpu_h", "utilization", "best")},
            "steps": row["steps"],
            "allocated_gpu_h": N_GPUS * row["wall_h"],
            "busy": float(np.mean(row["busy"])),
            "faster": asha[case.scenario]["wall_h"] / row["wall_h"],
            "best_earlier": asha[case.scenario]["best_h"] / row["best_h"],
        }
        for case, row in zip(cases, rows, strict=True)
    ]


def _show(
    settings: Settings,
    cases: Sequence[Case],
    full: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
) -> None:
    console = Console(width=None if sys.stdout.isatty() else 110)
    for scenario in SCENARIOS:
        title = f"{scenario.name}: {scenario.n_trials} trials, {scenario.restart_s:g} s a change"
        chosen = [row for case, row in zip(cases, full, strict=True) if case.scenario == scenario]
        report_time.print_rows(console, chosen, title)
        for row in rows:
            if row["name"] == scenario.name and row["method"] == "growing":
                faster = f"{row['faster']:.2f} times as fast as ASHA"
                console.print(f"growing at {row['efficiency']:g}: {faster}")
    shown = 0.8 if 0.8 in settings.efficiencies else settings.efficiencies[0]
    drawn = [
        row
        for case, row in zip(cases, full, strict=True)
        if case.scenario == SCENARIOS[0] and case.efficiency in (None, shown)
    ]
    report_time.write(drawn, settings.out.with_suffix(""), "1,024 GPUs, 256 trials, simulated")
    console.print(f"{settings.out}; curves in {settings.out.with_suffix('')}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
