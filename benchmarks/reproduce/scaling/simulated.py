"""The same search in virtual time, on any number of nodes.

Beside the policies of live sweeps stands a model of a synchronous search: successive halving that
waits for each rung. A worker holds the model that it has trained last, so that a rung with more
trials than workers must load the models of those that go on; with a worker for each trial none is
loaded. What is saved by that comes on top of the workers: the speed-up can exceed their number.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner

import hpo
from benchmarks.reproduce.scaling.problem import ETA, PER_NODE, RUNG, Study, make_table
from commons.pools import advance
from hpo.simulate.cluster import Cluster
from hpo.simulate.engine import replay
from hpo.simulate.trials import RowTrials

SYNCHRONOUS = "synchronous"


@dataclass(frozen=True)
class Task:
    """A sweep to simulate: `policy` is that of a live sweep or `SYNCHRONOUS`."""

    policy: str
    nodes: int
    study: Study
    seed: int


@dataclass(frozen=True)
class Simulated:
    """What a sweep took: seconds, epochs of all trials, and how often a model was loaded."""

    policy: str
    nodes: int
    wall_s: float
    n_epochs: int
    n_loaded: float

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return asdict(self)


def simulate(task: Task) -> Simulated:
    """Return what a sweep takes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_model = task.policy == SYNCHRONOUS
    result = synchronous(task.study, task.nodes) if is_model else _replay(task)
    advance()
    return result


def _replay(task: Task) -> Simulated:
    study = task.study
    pruner: BasePruner = hpo.AshaPruner(RUNG, ETA, "last")
    if task.policy == "promotion":
        pruner = hpo.PromotionPruner(RUNG, ETA, study.epochs, "last")
    run = replay(
        RowTrials(make_table(study, task.seed), np.arange(study.n_trials)),
        pruner,
        n_workers=PER_NODE * task.nodes,
        seed=task.seed,
        cluster=Cluster(epoch_s=study.epoch_s, resume_s=study.load_s),
    )
    assert run.timeline is not None
    spent = run.spent
    return Simulated(task.policy, task.nodes, run.timeline.wall_s, spent.epochs, spent.n_resumed)


def rungs(study: Study) -> list[tuple[int, int]]:
    """Return how many trials train in each rung, and for how many epochs.

    >>> rungs(Study(27, 9, 1.0, 0.5))
    [(27, 1), (9, 2), (3, 6)]
    """
    ends = [RUNG]
    while ends[-1] * ETA < study.epochs:
        ends.append(ends[-1] * ETA)
    ends.append(study.epochs)
    numbers = [max(1, study.n_trials // ETA**i) for i in range(len(ends))]
    return [*zip(numbers, np.diff(ends, prepend=0).tolist(), strict=True)]


def synchronous(study: Study, nodes: int) -> Simulated:
    """Return what synchronous halving takes, all epochs as long as their mean.

    With n trials in a rung and W workers, W of the n models are still held by a worker at its end,
    so that a share of max(0, 1 - W/n) of those that go on is loaded.
    """
    n_workers, wall_s, n_loaded, before = PER_NODE * nodes, 0.0, 0.0, 0
    for number, epochs in rungs(study):
        loaded = number * max(0.0, 1 - n_workers / before) if before else 0.0
        n_loaded, before = n_loaded + loaded, number
        wall_s += math.ceil(number / n_workers) * epochs * study.epoch_s
        wall_s += loaded / min(number, n_workers) * study.load_s
    n_epochs = sum(number * epochs for number, epochs in rungs(study))
    return Simulated(SYNCHRONOUS, nodes, wall_s, n_epochs, n_loaded)
