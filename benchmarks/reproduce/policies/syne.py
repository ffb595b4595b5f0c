"""ASHA of Syne Tune, by its own code (extra `peers`; versions from 0.14 on have no promotion)."""

from __future__ import annotations

import datetime
import logging

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import uniform
from syne_tune.optimizer.schedulers.hyperband import HyperbandScheduler

from benchmarks.reproduce.policies.drive import EPOCH, METRIC, drive
from hpo.curves import Floats
from hpo.simulate.run import Run


def syne_asha(losses: Floats, kind: str, seed: int) -> Run:
    """Replay the trials of a pool in their order with one worker.

    Args:
        losses: shape (N, E).
        kind: "stopping" or "promotion".
        seed: of the scheduler.
    """
    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    scheduler = HyperbandScheduler(
        {"unused": uniform(0, 1)},  # which configurations are tried is not its choice
        searcher="random",
        type=kind,
        metric=METRIC,
        mode="min",
        resource_attr=EPOCH,
        max_t=losses.shape[1],
        grace_period=1,
        reduction_factor=3,
        random_seed=seed,
    )
    return drive(scheduler, lambda i, config: Trial(i, config, datetime.datetime.now()), losses)
