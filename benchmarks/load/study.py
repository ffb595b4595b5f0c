"""CPU time of the parts of a trial against the size of the study (`make bench-study`).

    python -m benchmarks.load.study ["sizes=[100,1000,10000]"] [large=28000] [asks=5] [out=FILE]

Each size is a process of its own, of one thread, with a journal of so many finished trials, 20
reports and 7 hyperparameters each. Medians of CPU milliseconds: ask, with each sampler of
hpo/conf/sampler; claim; report between rungs and at a rung of `hpo.AshaPruner`; tell; the driver's
look. Beside them those of Optuna alone, with one study: ask with TPE, prune by its successive
halving, all trials. Then the seconds until a new worker has read the study, its memory and the
size of the journal.
`large` is a study that is opened and reported on, in wall seconds. Figures go to
benchmarks/results/study.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.pruners import SuccessiveHalvingPruner
from optuna.storages import BaseStorage

import hpo
from benchmarks.depends import HALVING
from benchmarks.load.depends import JOURNAL, TRIALS
from benchmarks.record import write_result
from commons.asha import AshaPruner
from commons.cli import run_command
from commons.optuna_internals import study_id, trial_id
from hpo.attributes import WORKER
from hpo.report import write_report
from hpo.reporting.pulse import Pulse
from hpo.search.seeded import Samplers, complete
from hpo.search.space import Space
from hpo.storage.batching import batched
from hpo.storage.opening import open_storage
from hpo.study.lease import Lease
from hpo.study.tickets import Tickets
from hpo.study.trial import LeasedTrial
from testbed.machine import commit, load, now, processor

_NAME, _REPORTS, _RUNGS = "s", 20, (1, 3, 9)
SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-1, 1),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "width": IntDistribution(32, 256, step=32),
    "dropout": FloatDistribution(0, 0.5),
    "activation": CategoricalDistribution(("relu", "gelu", "elu")),
    "decay": FloatDistribution(1e-6, 1e-1, log=True),
    "layers": IntDistribution(0, 4),
}
# A grid needs steps.
_GRID: dict[str, BaseDistribution] = {f"grid.{name}": IntDistribution(0, 3) for name in SPACE}

_DEPENDS = (
    "benchmarks.load.study",
    "hpo.reporting.pulse",
    "hpo.search.diverse",
    "hpo.search.finite",
    *HALVING,
    *JOURNAL,
    *TRIALS,
)


@dataclass
class Settings:
    """What the command line may set.

    Args:
        sizes: finished trials of each study.
        large: finished trials of the study that is reported on; 0: none.
        asks: of each sampler.
        samplers: names in hpo/conf/sampler; all if empty.
        out: the JSON file to write.
    """

    sizes: list[int] = field(default_factory=lambda: [100, 1000, 10_000])
    large: int = 28_000
    asks: int = 5
    samplers: list[str] = field(default_factory=list)
    out: Path = Path(__file__).parents[1] / "results" / "study.json"


def write_journal(path: Path, n_trials: int, n_reports: int = _REPORTS) -> None:
    """Write the journal of a study of finished trials: 3 of 10 complete, the others pruned."""
    rng, texts = random.Random(0), {k: distribution_to_json(d) for k, d in SPACE.items()}
    at = "2026-01-01T00:00:00.000000"
    with path.open("w") as file:

        def write(op_code: int, **record: Any) -> None:
            record = {"op_code": op_code, "worker_id": "w", **record}
            file.write(json.dumps(record, separators=(",", ":")) + "\n")

        write(0, study_name=_NAME, directions=[1])
        write(2, study_id=0, user_attr={f"{WORKER}w/1": {"start": 0.0, "end": 9.0, "busy_s": 8.0}})
        for number in range(n_trials):
            x = rng.uniform(-1, 1)
            write(4, study_id=0, datetime_start=None, state=4, user_attrs={}, system_attrs={})
            write(6, trial_id=number, state=0, values=None, datetime_start=at)
            for name, distribution in SPACE.items():
                value = distribution.to_internal_repr(
                    x if name == "x" else _draw(distribution, rng)
                )
                write(
                    5,
                    trial_id=number,
                    param_name=name,
                    param_value_internal=value,
                    distribution=texts[name],
                )
            run = {"overrides": [f"{name}=0.123456789" for name in SPACE], "worker": "w/1"}
            write(8, trial_id=number, user_attr={"run": run})
            for step in range(1, n_reports + 1):
                value = x * x + 1 / step
                write(7, trial_id=number, step=step, intermediate_value=value)
            write(8, trial_id=number, user_attr={"seconds": 12.3456})
            state = 1 if rng.random() < 0.3 else 2
            write(6, trial_id=number, state=state, values=[x * x], datetime_complete=at)


def _draw(distribution: Any, rng: random.Random) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return rng.choice(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return rng.randrange(distribution.low, distribution.high + 1, distribution.step)
    low, high = distribution.low, distribution.high
    return low * (high / low) ** rng.random() if distribution.log else rng.uniform(low, high)


class _Times:
    """CPU times in milliseconds by name."""

    def __init__(self) -> None:
        self._all: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        self._all[name].append(1e3 * (time.process_time() - begin))

    def medians(self) -> dict[str, float]:
        return {k: round(sorted(v)[len(v) // 2], 3) for k, v in self._all.items()}


def measure(n_trials: int, samplers: list[str], n_asks: int) -> dict[str, Any]:
    """Return the figures of a study with so many finished trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), _Times()
        journal = folder / "journal.log"
        write_journal(journal, n_trials)
        size = journal.stat().st_size
        begin = time.process_time()
        storage = open_storage(None, folder, exists=True)
        study = optuna.load_study(study_name=_NAME, storage=storage, pruner=AshaPruner())
        tickets = _tickets(storage, folder, n_trials + 1000)
        tickets.look()
        start_s = time.process_time() - begin
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        for sampler in samplers:
            _ask(times, tickets, study, sampler, n_asks)
        _report(times, tickets, study, n_asks)
        pulse = Pulse(storage, study_id(study))
        pulse.look()
        for _ in range(n_asks):
            with times.of("driver's look"):
                pulse.look()
                tickets.n_left()
        _optuna_alone(times, journal, n_asks)
        figures = {"new worker, s": round(start_s, 3), "RSS, MB": peak_mb}
        return {"n_trials": n_trials, **times.medians(), **figures, "journal, MB": size / 1e6}


def _tickets(storage: BaseStorage, folder: Path, n_trials: int) -> Tickets:
    return Tickets(
        storage, _NAME, folder=folder, n_trials=n_trials, pruner=None, lease_s=60, max_retries=3
    )


def _ask(times: _Times, tickets: Tickets, study: optuna.Study, name: str, n_asks: int) -> None:
    file = Path(hpo.__file__).parent / "conf" / "sampler" / f"{name}.yaml"
    space = _GRID if name == "grid" else SPACE
    node = complete({**yaml.safe_load(file.read_text()), "seed": 1}, space, _NAME)
    samplers, n_asked = Samplers(node), -1
    while n_asked < n_asks:
        with times.of("claim"):
            claim = tickets.take()
        assert claim is not None
        with Lease(tickets.storage, trial_id(claim), 60) as lease:
            # diverse_tpe draws trials with an odd number at random; the first one reads the study
            counts = n_asked >= 0 and claim.number % 2 == 0
            n_asked += claim.number % 2 == 0
            with times.of(f"ask, {name}" if counts else "first"):
                study.sampler, _ = samplers.of(claim.number)
                trial = LeasedTrial(study, trial_id(claim), lease)
                with batched(tickets.storage):
                    Space(space).suggest(trial)
            with times.of("tell"):
                trial.live(lambda: 0.6)


def _report(times: _Times, tickets: Tickets, study: optuna.Study, n: int) -> None:
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for _ in range(n + 1):
        claim = tickets.take()
        assert claim is not None
        with Lease(tickets.storage, trial_id(claim), 60) as lease:
            trial = LeasedTrial(study, trial_id(claim), lease)
            for step in range(1, 11):
                with times.of("report at a rung" if step in _RUNGS else "report"):
                    trial.should_stop(0.5 + 1 / step, step)
            trial.live(lambda: 0.6)


def _optuna_alone(times: _Times, journal: Path, n: int) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    storage = optuna.storages.JournalStorage(backend)
    sampler = optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True)
    pruner = SuccessiveHalvingPruner(1, 3)
    study = optuna.load_study(study_name=_NAME, storage=storage, sampler=sampler, pruner=pruner)
    for asked in range(n + 1):
        trial = study.ask()
        with times.of("Optuna: ask, TPE" if asked else "first"):
            Space(SPACE).suggest(trial)
        for step in range(1, 11):
            name = "Optuna: report at a rung" if step in _RUNGS else "Optuna: report"
            with times.of(name):
                trial.report(0.5 + 1 / step, step)
                trial.should_prune()
        study.tell(trial, 0.6)
        with times.of("Optuna: all trials"):
            study.get_trials(deepcopy=False)


def report_on(n_trials: int) -> dict[str, Any]:
    """Open and report on a large study of 100 MB and more; return wall seconds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_journal(folder / "journal.log", n_trials)
        size, seconds = (folder / "journal.log").stat().st_size, {}
        begin = time.monotonic()
        storage = open_storage(None, folder, exists=True)
        storage.get_all_trials(0, deepcopy=False)
        seconds["open, s"] = round(time.monotonic() - begin, 1)
        write_report(storage, _NAME, folder)
        seconds["open and report, s"] = round(time.monotonic() - begin, 1)
        files = {p.name: p.stat().st_size for p in folder.iterdir() if p.suffix != ".log"}
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        journal = {"n_trials": n_trials, "journal, MB": size / 1e6}
        return {**journal, **seconds, "RSS, MB": peak_mb, "files": files}


def _alone(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    os.environ["OMP_NUM_THREADS"] = "1"  # as a worker per core has; of the processes below
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return {**pool.apply(function, arguments), "load": load()}


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_run, Settings, arguments or ["asks=5"], __doc__)


def _run(settings: Settings) -> None:
    conf = Path(hpo.__file__).parent / "conf" / "sampler"
    names = settings.samplers or [path.stem for path in conf.glob("*.yaml")]
    names = sorted(names, key=lambda name: (name == "grid", name))  # that has a space of its own
    rows = [_alone(measure, n, names, settings.asks) for n in settings.sizes]
    for row in rows:
        row.pop("first")
    record: dict[str, Any] = {
        "date": now(),
        "commit": commit(),
        "processor": processor(),
        "rows": rows,
    }
    if settings.large:
        record["large"] = _alone(report_on, settings.large)
    write_result(settings.out, record, command="make bench-study", depends=_DEPENDS)
    for figure in rows[0]:
        sys.stdout.write(f"{figure:26s}" + "".join(f"{row[figure]:>12.6g}" for row in rows) + "\n")
    sys.stdout.write(f"{record.get('large', '')}\nfigures: {settings.out}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
