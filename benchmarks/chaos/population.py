"""Faults of population based training: a worker dies when its trial takes the place of another."""

from __future__ import annotations

import signal

from optuna.trial import TrialState

from benchmarks.chaos.sweep import Size, Stage, Sweep, signal_process
from hpo.search.lineage import parent_of

SIZE = Size(n_trials=16)
OVERRIDES = (
    "hydra/sweeper/pruner=pbt",
    "~hydra.sweeper.pruner.min_resource",  # of the application's own pruner
    "~hydra.sweeper.pruner.reduction_factor",
    "hydra.sweeper.pruner.interval=2",
    f"hydra.sweeper.pruner.max_resource={SIZE.epochs}",
)
LARGE = "ballast_mb=64"  # so that the copy of a checkpoint takes a moment


def kill_heir(stage: Stage) -> None:
    """Kill the worker of the first trial that has a parent, in its first epoch there."""
    sweep = stage.sweep
    sweep.wait_for_work()
    sweep.wait_until(lambda: any(_kill(sweep, n) for n in _heirs(sweep)), "a trial was replaced")


def kill_in_copy(stage: Stage) -> None:
    """Kill a worker while it copies the checkpoint of a parent."""
    sweep = stage.sweep

    def killed() -> bool:
        for partial in (sweep.dir / "trials").glob(".*.partial"):
            number = int(partial.name.split(".")[1])
            if _kill(sweep, number) and partial.exists():
                return True
        return False

    sweep.wait_until(killed, "a checkpoint was copied")


def _heirs(sweep: Sweep) -> list[int]:
    running = sweep.study().get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial.number for trial in running if parent_of(trial)]


def _kill(sweep: Sweep, number: int) -> bool:
    pid = sweep.owners().get(number)
    return pid is not None and signal_process(pid, signal.SIGKILL)
