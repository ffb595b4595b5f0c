"""The faults: what each does to a running sweep."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.chaos.checks import Expected
from benchmarks.chaos.disk import damage, damage_journal, fill, leave_lock
from benchmarks.chaos.late import stop_worker
from benchmarks.chaos.sweep import Size, Stage, Sweep, signal_process

_AWAY_S = 20.0


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: for `only=`.
        text: for the table.
        inject: does it; returns while the sweep still runs.
        expected: of the sweep's end.
        size: of the sweep.
        overrides: further arguments of the command.
        storage: the journal in the sweep folder, one in a folder of its own, or PostgreSQL.
    """

    name: str
    text: str
    inject: Callable[[Stage], None]
    expected: Expected = field(default_factory=Expected)
    size: Size = field(default_factory=Size)
    overrides: tuple[str, ...] = ()
    storage: Literal["journal", "apart", "postgres"] = "journal"


def nothing(stage: Stage) -> None:
    """Do nothing: the other rows differ from this one by their fault."""
    del stage


def kill_workers(stage: Stage) -> None:
    """Kill 30 % of the workers at random moments."""
    sweep = stage.sweep
    sweep.wait_for_work()
    victims = sweep.workers()
    for pid in stage.rng.sample(victims, math.ceil(0.3 * len(victims))):
        time.sleep(stage.rng.uniform(0, 2))
        signal_process(pid, signal.SIGKILL)


def lose_node(stage: Stage) -> None:
    """Kill all processes of a node; bring it back once SLURM has noticed."""
    sweep, cluster = stage.sweep, stage.sweep.cluster
    sweep.wait_for_work()
    node = stage.rng.choice(sorted({job["NodeList"] for job in sweep.running_jobs()}))
    stage.cleanup.callback(cluster.start_node, node)
    cluster.kill_node(node)

    def noticed() -> bool:
        return cluster.run("sinfo", "-h", "-n", node, "-p", "batch", "-o", "%t").startswith("down")

    sweep.wait_until(noticed, f"SLURM noticed that {node} is down", 60)
    time.sleep(3)
    cluster.start_node(node)


def requeue_by_hand(stage: Stage) -> None:
    """Requeue two running jobs as an administrator does: SIGTERM, then SIGKILL."""
    sweep = stage.sweep
    sweep.wait_for_work()
    for job in stage.rng.sample(sweep.running_jobs(), 2):
        # Not JobId: that of the array's last element means the whole array.
        element = f"{job['ArrayJobId']}_{job['ArrayTaskId']}"
        sweep.cluster.run("scontrol", "requeue", element)


def preempt(stage: Stage) -> None:
    """Let a job of a higher partition take all nodes for a moment."""
    sweep = stage.sweep
    sweep.wait_for_work()
    nodes = str(len(sweep.cluster.nodes))
    urgent = ("-p", "urgent", "-N", nodes, "--exclusive", "--wrap", "sleep 3", "-o", "/dev/null")
    sweep.cluster.run("sbatch", *urgent)
    sweep.wait_until(lambda: min(sweep.restarts()) >= 1, "all workers were preempted", 60)


def reach_time_limit(stage: Stage) -> None:
    """Wait until the same job has been at its time limit twice."""
    sweep = stage.sweep
    sweep.wait_until(lambda: max(sweep.restarts(), default=0) >= 2, "a second requeue", 300)


def stop_postgres(stage: Stage) -> None:
    """Stop the database for 20 s."""
    stage.sweep.wait_for_work()
    _stop_postgres(stage)


def stop_postgres_early(stage: Stage) -> None:
    """Stop the database for 20 s while the workers start."""
    sweep = stage.sweep
    sweep.wait_until(lambda: bool(sweep.running_jobs()), "the jobs had started")
    _stop_postgres(stage)


def _stop_postgres(stage: Stage) -> None:
    server = stage.postgres
    assert server is not None
    server.stop()
    time.sleep(_AWAY_S)
    server.start()


def hide_journal(stage: Stage) -> None:
    """Move the folder of the journal away for 20 s, as if its file system were not mounted."""
    stage.sweep.wait_for_work()
    _hide_journal(stage)


def hide_journal_early(stage: Stage) -> None:
    """Move the folder of the journal away for 20 s while the workers start."""
    sweep = stage.sweep
    sweep.wait_until(lambda: bool(sweep.running_jobs()), "the jobs had started")
    _hide_journal(stage)


def _hide_journal(stage: Stage) -> None:
    folder = Path(str(stage.sweep.storage)).parent
    away = folder.with_name("away")
    folder.rename(away)
    time.sleep(_AWAY_S)
    away.rename(folder)  # fails if a new one has been made in the meantime


def kill_parent(stage: Stage) -> None:
    """Kill the command and run it again."""
    sweep = stage.sweep
    sweep.wait_for_work()
    sweep.kill()
    time.sleep(2)
    sweep.start()


def fill_disk(stage: Stage) -> None:
    """Make the folder of one trial a small disk before it starts."""
    trials = stage.sweep.dir / "trials"
    stage.sweep.wait_until(trials.exists, "the first trials had begun")
    fill(stage.sweep, trials / "0020", stage.cleanup)


def corrupt_checkpoint(stage: Stage) -> None:
    """Kill a worker in the middle of an epoch and damage its last checkpoint."""
    sweep = stage.sweep
    sweep.wait_for_work()
    number, pid, epochs = damage(sweep)

    def fell_back() -> bool:
        starts = [line for line in sweep.witness()[number] if line.kind == "start"]
        return starts[-1].pid != pid and starts[-1].epoch == epochs - 1

    sweep.wait_until(fell_back, f"trial {number} was started again at epoch {epochs - 1}")


def tear_journal(stage: Stage) -> None:
    """Leave half records in the journal, and two records on one line."""
    sweep = stage.sweep
    sweep.wait_for_work(1)
    names = damage_journal(sweep.dir / "journal.log", stage.rng)
    sweep.wait_until(
        lambda: names <= set(sweep.study().user_attrs), "both records of the merged line count"
    )


def stop_for_three_leases(stage: Stage) -> None:
    """Stop a worker for three leases, then let it go on."""
    stop_worker(stage.sweep, stage.rng)


def orphan_locks(stage: Stage) -> None:
    """Leave locks of dead owners behind: of this host and of another one."""
    sweep = stage.sweep
    sweep.wait_for_work(1)
    for is_remote in (False, True):
        _wait_for_break(sweep, sweep.dir / "journal.log.lock", is_remote)
    # Workers take the other lock to look for abandoned trials, so there must be one.
    sweep.wait_until(lambda: bool(sweep.owners()), "a trial was running")
    is_held = leave_lock(sweep.dir / "tickets.lock", is_remote=True)
    signal_process(stage.rng.choice([*sweep.owners().values()]), signal.SIGKILL)
    sweep.wait_until(lambda: not is_held(), "the lock of the tickets was broken", 60)


def _wait_for_break(sweep: Sweep, lock: Path, is_remote: bool) -> None:
    is_held = leave_lock(lock, is_remote)
    sweep.wait_until(lambda: not is_held(), f"{lock.name} was broken", 60)
