"""Many simulated sweeps: each method on the same draws, over processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import optuna

from commons.pools import advance, run_tasks
from hpo.curves import CurveTable, Floats
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Draw, Variant, best_rows, draw
from hpo.simulate.engine import replay
from hpo.simulate.evidence import gap
from hpo.simulate.gpus import Gpus
from hpo.simulate.methods import Method, make_policy, make_reference
from hpo.simulate.run import Run
from hpo.simulate.synchronous import hyperband
from hpo.simulate.trials import RowTrials, SampledTrials

_BATCH = 5  # sweeps of one method that a process gets at once


@dataclass(frozen=True)
class Plan:
    """What is simulated for each method."""

    table: CurveTable
    orders: range  # seeds of the pools, for methods without a sampler
    seeds: range  # of the sweeps with a sampler
    variant: Variant
    n_workers: int | None  # None: 1 for a pool, 8 with a sampler
    budget: float  # epochs after which a sweep with a sampler ends
    within: tuple[float, ...]  # distances to the table's best, at which such a sweep is scored
    start_epochs: float  # charged for starting a trial, also in the times of `cluster`
    resume_epochs: float  # charged for resuming one, also there
    cluster: Cluster
    gpus: Gpus | None = None  # None: each worker has one; methods may differ in those per trial

    def numbers(self, method: Method) -> range:
        """Return the seeds of a method's sweeps."""
        return self.seeds if method.mode == "sampler" else self.orders

    def workers(self, method: Method) -> int:
        """Return the number of workers at the begin, which a reference does not use."""
        if (gpus := self.gpus_of(method)) is not None:
            return gpus.n_workers
        return self.n_workers or (8 if method.mode == "sampler" else 1)

    def gpus_of(self, method: Method) -> Gpus | None:
        """Return the GPUs of a method's sweeps.

        Raises:
            ValueError: they are fewer than a trial may have.
        """
        if self.gpus is None or method.growth is None:
            return self.gpus
        return replace(self.gpus, per_trial=method.growth)

    def values(self, method: Method, number: int) -> dict[str, int]:
        """Return what a method's node may refer to."""
        workers = self.workers(method)
        return {"epochs": self.table.n_epochs, "seed": number, "n_workers": workers}


@dataclass(frozen=True)
class Pool:
    """The trainings of a draw, for the scores of a sweep over them.

    Attributes:
        winner: row of the table that ends best.
        epochs: that Hyperband spends.
        gap: of the sweep's final value, see `hpo.simulate.evidence.gap`.
        overlap: share of the pool that another draw has too, on average.
    """

    winner: int
    epochs: int
    gap: float
    overlap: float


@dataclass(frozen=True)
class Outcome:
    """A simulated sweep and what it is measured by.

    Attributes:
        reference: Hyperband's loss on the same pool, without what is enqueued; with a sampler, the
            best of the table.
        pool: what else is known of the pool; None with a sampler.
    """

    run: Run
    reference: float
    pool: Pool | None = None


def simulate(plan: Plan, method: Method, number: int) -> Outcome:
    """Simulate one sweep: all that is random follows from its number.

    Raises:
        ValueError: the method cannot be made, or too few rows are left.
    """
    drawn, values = draw(plan.table, number, plan.variant), plan.values(method, number)
    losses = plan.table.losses[drawn.pool]
    if method.is_reference:
        return _on_pool(make_reference(method, values)(losses), losses, drawn)
    policy = make_policy(method, values)
    sweep = partial(
        replay,
        pruner=policy.pruner,
        n_workers=plan.workers(method),
        gpus=plan.gpus_of(method),
        seed=number,
        cluster=plan.cluster,
    )
    if policy.sampler is None:
        first = best_rows(plan.table, drawn.earlier, method.n_enqueued)
        rows = np.concatenate([first, drawn.pool])
        return _on_pool(sweep(RowTrials(plan.table, rows)), losses, drawn)
    table = plan.table.without(drawn.removed)
    trials = SampledTrials(table, policy.sampler, number)
    best = float(table.losses[:, -1].min())
    return Outcome(sweep(trials, budget=plan.budget, good_loss=best + min(plan.within)), best)


def _on_pool(run: Run, losses: Floats, drawn: Draw) -> Outcome:
    reference, finals = hyperband(losses), losses[:, -1]
    winner = int(drawn.pool[finals.argmin()])
    pool = Pool(winner, reference.spent.epochs, gap(run.final, finals), drawn.overlap)
    return Outcome(run, reference.final, pool)


def simulate_all(plan: Plan, methods: Sequence[Method], n_jobs: int) -> list[list[Outcome]]:
    """Return the outcomes of each method in the order of its sweeps, for any number of processes.

    Raises:
        ValueError: as `simulate`.
    """
    tasks = [
        (plan, method, plan.numbers(method)[begin : begin + _BATCH])
        for method in methods
        for begin in range(0, len(plan.numbers(method)), _BATCH)
    ]
    n = sum(len(numbers) for _, _, numbers in tasks)
    batches = run_tasks(
        _simulate_batch, tasks, n_steps=n, description="sweeps", n_processes=n_jobs, isolated=True
    )
    outcomes = (outcome for batch in batches for outcome in batch)
    return [[next(outcomes) for _ in plan.numbers(method)] for method in methods]


def _simulate_batch(task: tuple[Plan, Method, range]) -> list[Outcome]:
    plan, method, numbers = task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    outcomes = []
    for number in numbers:
        outcomes.append(simulate(plan, method, number))
        advance()
    return outcomes
