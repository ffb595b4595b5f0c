"""The rows of the table: each fault, the sweep that meets it, and how that should end."""

from __future__ import annotations

from functools import partial

from benchmarks.chaos import population
from benchmarks.chaos.checks import Expected
from benchmarks.chaos.faults import (
    Fault,
    corrupt_checkpoint,
    fill_disk,
    hide_journal,
    hide_journal_early,
    kill_parent,
    kill_workers,
    lose_node,
    nothing,
    orphan_locks,
    preempt,
    reach_time_limit,
    requeue_by_hand,
    stop_for_three_leases,
    stop_postgres,
    stop_postgres_early,
    tear_journal,
)
from benchmarks.chaos.late import CLOCKS, LEASE_S
from benchmarks.chaos.loss import delete, lose, put_back, replace, truncate, write_over
from benchmarks.chaos.population import kill_heir, kill_in_copy
from benchmarks.chaos.sweep import Size

# Shorter than the outage of the storage: all leases expire, though all workers are alive.
_SHORT_LEASE = "hydra.sweeper.lease_s=12"
_NO_PRUNER = "hydra.sweeper.pruner=null"
_SOME_MAY_FAIL = "hydra.sweeper.max_failure_rate=0.05"
_ALL_DAY = Size(n_trials=24, epochs=56)

FAULTS = (
    Fault("none", "no fault", nothing),
    Fault("sigkill", "SIGKILL of 30 % of the workers", kill_workers, Expected((1, 3))),
    Fault(
        "node",
        "a node down, back later",
        lose_node,
        Expected((1, 4), restarts=1),
        Size(epoch_s=1.0),
    ),
    Fault(
        "requeue", "scontrol requeue of two jobs", requeue_by_hand, Expected((0, 2), restarts=1)
    ),
    Fault("preempt", "preempted by a higher partition", preempt, Expected((0, 8), restarts=1)),
    Fault(
        "time_limit",
        "the time limit, twice",
        reach_time_limit,
        Expected((0, 8), restarts=2),
        _ALL_DAY,
        (_NO_PRUNER, "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=20"),
    ),
    Fault(
        "postgres",
        "PostgreSQL stopped for 20 s",
        stop_postgres,
        overrides=(_SHORT_LEASE,),
        storage="postgres",
    ),
    Fault(
        "postgres_early",
        "the same while the workers start",
        stop_postgres_early,
        overrides=(_SHORT_LEASE,),
        storage="postgres",
    ),
    Fault(
        "journal",
        "the journal's folder away for 20 s",
        hide_journal,
        overrides=(_SHORT_LEASE,),
        storage="apart",
    ),
    Fault(
        "journal_early",
        "the same while the workers start",
        hide_journal_early,
        overrides=(_SHORT_LEASE,),
        storage="apart",
    ),
    Fault(
        "parent",
        "SIGKILL of the command, run again",
        kill_parent,
        Expected(says="attached to array"),
    ),
    Fault(
        "disk",
        "disk full in one trial's folder",
        fill_disk,
        Expected(failed=1, reason="No space left on device"),
        overrides=(_NO_PRUNER, _SOME_MAY_FAIL),
    ),
    Fault(
        "checkpoint",
        "worker killed, last checkpoint damaged",
        corrupt_checkpoint,
        Expected((1, 1)),
    ),
    Fault("clocks", "a clock +10 min, another -10 min", nothing, overrides=(CLOCKS, _SHORT_LEASE)),
    Fault(
        "stopped",
        "a worker stopped for three leases",
        stop_for_three_leases,
        Expected((1, 1), late=1),
        overrides=(_NO_PRUNER, f"hydra.sweeper.lease_s={LEASE_S}"),
    ),
    Fault(
        "hung",
        "two trainings hang and heed nothing",
        nothing,
        Expected(failed=2, reason="no report for 5 s (hydra.sweeper.epoch_timeout=5)"),
        overrides=("hangs=[4,9]", "hydra.sweeper.epoch_timeout=5", _SOME_MAY_FAIL),
    ),
    Fault("torn", "torn and merged lines in the journal", tear_journal),
    Fault("lock", "locks left behind by dead owners", orphan_locks, Expected((1, 1))),
    Fault(
        "promotion",
        "trials pause: SIGKILL of 30 % of the workers",
        kill_workers,
        Expected((1, 3), pauses=True),
        overrides=("hydra/sweeper/pruner=promotion",),
    ),
    Fault(
        "pbt_kill",
        "PBT: SIGKILL of the worker of a replacement",
        kill_heir,
        Expected((1, 2), pauses=True),
        population.SIZE,
        population.OVERRIDES,
    ),
    Fault(
        "pbt_copy",
        "PBT: SIGKILL while a checkpoint is copied",
        kill_in_copy,
        Expected((1, 3), pauses=True),
        population.SIZE,
        (*population.OVERRIDES, population.LARGE),
    ),
    Fault(
        "pbt_preempt",
        "PBT: preempted by a higher partition",
        preempt,
        Expected((0, 8), restarts=1, pauses=True),
        population.SIZE,
        population.OVERRIDES,
    ),
    Fault(
        "pbt_journal",
        "PBT: the journal's folder away for 20 s",
        hide_journal,
        Expected(pauses=True),
        population.SIZE,
        overrides=(*population.OVERRIDES, _SHORT_LEASE),
        storage="apart",
    ),
    Fault("put_back", "the journal renamed and put back", partial(lose, put_back)),
    Fault(
        "deleted",
        "the journal deleted",
        partial(lose, delete),
        Expected(loss="the storage was unreachable for 10 s"),
        overrides=("hydra.sweeper.patience_s=10",),
    ),
    *(
        Fault(name, text, partial(lose, change), Expected(loss="not the journal any more"))
        for name, text, change in (
            ("truncated", "the journal truncated", truncate),
            ("older", "the journal replaced by an older copy", replace),
            ("older_in_place", "an older copy written over it", write_over),
        )
    ),
)
