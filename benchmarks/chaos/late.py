"""Faults of time: clocks that are off, a worker that stands still, a training that hangs."""

from __future__ import annotations

import random
import signal
import time

from benchmarks.chaos.sweep import Sweep, signal_process

LEASE_S = 4.0
# The nodes n1 and n2 have other clocks, see `benchmarks.chaos.clock`.
CLOCKS = (
    "hydra.launcher.setup=['case $SLURMD_NODENAME in n1) export CHAOS_AHEAD_S=600;; "
    "n2) export CHAOS_AHEAD_S=-600;; esac']"
)


def stop_worker(sweep: Sweep, rng: random.Random) -> None:
    """Stop a worker for three leases; see it work on another trial afterwards."""
    sweep.wait_for_work()
    number, victim = rng.choice(sorted(sweep.owners().items()))
    signal_process(victim, signal.SIGSTOP)
    time.sleep(3 * LEASE_S)
    signal_process(victim, signal.SIGCONT)

    def goes_on() -> bool:
        others = {n: lines for n, lines in sweep.witness().items() if n > number}
        return any(line.pid == victim for lines in others.values() for line in lines)

    sweep.wait_until(goes_on, f"process {victim} had another trial")
