"""The two ways in: processes that call `hpo.optimize`, and the command of a Hydra sweep."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import optuna

import hpo
from benchmarks.soak.policies import node, overrides
from benchmarks.soak.training import register, train
from hpo.hydra_internals import instantiate

ROOT = Path(__file__).parents[2]
LEASE_S = 2.0
PATIENCE_S = 30.0
_FORK = multiprocessing.get_context("fork")


class Crew(Protocol):
    """The processes that a user has started."""

    def start(self) -> None:
        """Start them, or again those that were killed."""
        ...

    def is_at_work(self, trained: set[int]) -> bool:
        """Tell whether all have opened the study; `trained` are processes that trained a trial."""
        ...

    def codes(self) -> list[int | None]:
        """Return their exit codes; None: runs."""
        ...

    def parents(self) -> list[int]:
        """Return the processes that may be killed beside the workers."""
        ...

    def kill(self) -> None:
        """End everything."""
        ...


class PlainCrew:
    """Three processes that call `hpo.optimize`; a killed one is started again."""

    def __init__(
        self, folder: Path, policy: str, n_trials: int, n_workers: int, seed: int
    ) -> None:
        self._arguments = (folder, node(policy), n_trials, seed)
        self._n_workers = n_workers
        self._processes: list[Any] = []
        self._started = 0

    def start(self) -> None:
        """Start the workers that are missing."""
        self._processes = [p for p in self._processes if p.exitcode is None or p.exitcode >= 0]
        while len(self._processes) < self._n_workers:
            self._started += 1
            process = _FORK.Process(target=_work, args=(*self._arguments, self._started))
            process.start()
            self._processes.append(process)

    def is_at_work(self, trained: set[int]) -> bool:
        """Tell whether each worker has trained, or has ended."""
        return all(p.exitcode is not None or p.pid in trained for p in self._processes)

    def codes(self) -> list[int | None]:
        """Return the exit codes of the workers."""
        return [process.exitcode for process in self._processes]

    def parents(self) -> list[int]:
        """Nothing but the workers."""
        return []

    def kill(self) -> None:
        """Kill the workers."""
        for process in self._processes:
            process.kill()
            process.join()


def _work(folder: Path, policy: Any, n_trials: int, seed: int, worker: int) -> None:
    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(output, 1)
    os.dup2(output, 2)
    register(folder)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        return train(trial, x, partial(_report, trial), folder)

    hpo.optimize(
        objective,
        study_name="soak",
        storage=str(folder / "sweep" / "journal.log"),
        n_trials=n_trials,
        sampler=optuna.samplers.RandomSampler(seed=1000 * seed + worker),
        pruner=instantiate(policy),
        folder=folder / "sweep",
        lease_s=LEASE_S,
        max_retries=50,
        patience_s=PATIENCE_S,
    )


def _report(trial: optuna.Trial, value: float, epoch: int) -> None:
    trial.report(value, epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


class HydraCrew:
    """One command with workers of `hpo_local`; a killed command is typed again."""

    def __init__(
        self, folder: Path, policy: str, n_trials: int, n_workers: int, seed: int
    ) -> None:
        self._folder = folder
        self._command = [
            *(sys.executable, str(ROOT / "benchmarks" / "soak" / "app" / "app.py"), "-m"),
            *(f"folder={folder}", f"hydra.sweeper.n_trials={n_trials}"),
            *(f"hydra.sweeper.n_workers={n_workers}", f"hydra.sweeper.sampler.seed={seed}"),
            *(f"hydra.sweeper.lease_s={LEASE_S}", f"hydra.sweeper.patience_s={PATIENCE_S}"),
            *overrides(policy),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._earlier: set[int] = set()

    def start(self) -> None:
        """Type the command."""
        if self._process is not None and self._process.poll() in (None, 0):
            return
        self._earlier = {int(clock.name) for clock in self._folder.glob("clocks/*[0-9]")}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def is_at_work(self, trained: set[int]) -> bool:
        """Tell whether a worker of this command has trained."""
        return bool(trained - self._earlier)

    def codes(self) -> list[int | None]:
        """Return the exit code of the command."""
        return [None if self._process is None else self._process.poll()]

    def parents(self) -> list[int]:
        """Return the command."""
        return [] if self._process is None else [self._process.pid]

    def kill(self) -> None:
        """Kill the command; its workers notice."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


CREWS: dict[str, type[PlainCrew] | type[HydraCrew]] = {"optimize": PlainCrew, "sweep": HydraCrew}
