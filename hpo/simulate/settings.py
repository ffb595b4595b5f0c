"""What the command line of `python -m hpo.simulate` may set."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from commons.cli import UsageError
from hpo.curves import CurveTable
from hpo.simulate.cluster import Cluster, Duration, duration
from hpo.simulate.gpus import Gpus, gpus_per_trial

_AT_LEAST = {
    **dict.fromkeys(("orders", "seeds", "first_order", "first_seed", "tolerance"), 0),
    **dict.fromkeys(("drop_best", "drop_half_of_best", "earlier_groups"), 0),
    **dict.fromkeys(("start_epochs", "resume_epochs", "epoch_sigma"), 0),
    **dict.fromkeys(("failures_per_hour", "preemptions_per_hour"), 0),
    **dict.fromkeys(("n_workers", "n_gpus", "n_jobs", "budget", "pool_size"), 1),
    "pool_share": 0.001,
    "cores_per_worker": 0.001,
    "gpu_efficiency": 0.001,
}
_DURATIONS = ("queue_s", "start_s", "requeue_s")
_OF_TIME = (*_DURATIONS, "failures_per_hour", "preemptions_per_hour", "n_gpus")
_MAX_WORKERS = 100_000


@dataclass
class Settings:
    """See the help of the command."""

    curves: Path | None = None
    study: str | None = None
    storage: str | None = None
    hps: list[str] | None = None
    prefix: str = "loss_"
    direction: str = "minimize"
    methods: list[str] | None = None
    methods_file: Path | None = None
    pruner: dict[str, Any] | None = None
    sampler: dict[str, Any] | None = None
    orders: int = 100
    first_order: int = 0
    seeds: int = 20
    first_seed: int = 0
    n_workers: int | None = None
    n_gpus: int | None = None
    gpus_per_trial: Any = 1
    gpu_efficiency: float = 1.0
    tolerance: float | None = None
    within: list[float] | None = None
    budget: float | None = None
    start_epochs: float = 0.0
    resume_epochs: float = 0.0
    epoch_s: str | None = None
    epoch_sigma: float | None = None
    queue_s: Any = None
    start_s: Any = None
    requeue_s: Any = None
    failures_per_hour: float = 0.0
    preemptions_per_hour: float = 0.0
    cores_per_worker: float | None = None
    drop_best: int = 0
    drop_half_of_best: int = 0
    earlier_groups: int = 0
    pool_size: int | None = None
    pool_share: float = 0.5
    n_jobs: int | None = None
    out: Path = Path("outputs/simulate")

    def __post_init__(self) -> None:
        """Check the ranges of all numbers."""
        for key, low in _AT_LEAST.items():
            value = getattr(self, key)
            if value is not None and not low <= value < math.inf:
                raise UsageError(f"{key}={value}: must be at least {low}")
        for key in ("n_workers", "n_gpus"):
            if (getattr(self, key) or 0) > _MAX_WORKERS:
                raise UsageError(f"{key}={getattr(self, key)}: must be at most {_MAX_WORKERS}")
        if self.pool_share > 1:
            raise UsageError(f"pool_share={self.pool_share}: must be at most 1")
        if self.study is not None and self.curves is not None:
            raise UsageError("curves=... and study=...: give one of them")
        if self.within is not None and not self.within:
            raise UsageError("within=[]: at least one distance is needed")
        for key in _DURATIONS:
            self._duration(key)
        self._check_times()
        self._check_gpus()

    def _check_times(self) -> None:
        has_time = self.study is not None or self.epoch_s is not None
        given = next((key for key in _OF_TIME if getattr(self, key)), None)
        if given is not None and not has_time:
            told = "set epoch_s=SECONDS, or the name of a column, too"
            raise UsageError(f"{given}={getattr(self, given)}: {told}")
        if (constant := self._constant_epoch_s) is not None and not 0 < constant < math.inf:
            raise UsageError(f"epoch_s={self.epoch_s}: expected seconds > 0, or a column's name")

    def _check_gpus(self) -> None:
        if self.gpu_efficiency > 1:
            raise UsageError(f"gpu_efficiency={self.gpu_efficiency}: must be at most 1")
        for key in ("gpus_per_trial", "gpu_efficiency"):
            if self.n_gpus is None and key in self.changed:
                raise UsageError(
                    f"{key}={getattr(self, key)}: set n_gpus=N, those of a sweep, too"
                )
        for key in ("n_workers", "cores_per_worker"):
            if self.n_gpus is not None and getattr(self, key) is not None:
                told = "with n_gpus=... their GPUs are counted"
                raise UsageError(f"{key}={getattr(self, key)}: {told}, not workers")
        _ = self.gpus

    @property
    def gpus(self) -> Gpus | None:
        """The GPUs of a sweep; None: each worker has one."""
        try:
            growth = gpus_per_trial(self.gpus_per_trial)
            return None if self.n_gpus is None else Gpus(self.n_gpus, growth, self.gpu_efficiency)
        except ValueError as error:
            raise UsageError(str(error)) from error

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that are not the default ones."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {key: value for key, (value, default) in values.items() if value != default}

    @property
    def is_random(self) -> bool:
        """Whether what machines do differs between sweeps."""
        durations = [self._duration(key) for key in _DURATIONS]
        drawn = any(d.sigma or len(set(d.values_s)) > 1 for d in durations)
        return bool(drawn or self.failures_per_hour or self.preemptions_per_hour)

    @property
    def epoch_s_column(self) -> str | None:
        """The column of the table that has the seconds of an epoch."""
        return self.epoch_s if self._constant_epoch_s is None else None

    @property
    def _constant_epoch_s(self) -> float | None:
        try:
            return float(self.epoch_s or "")
        except ValueError:
            return None

    def cluster(self, table: CurveTable | None) -> Cluster:
        """Return the machines; a charge in epochs means those of the median row of a column."""
        epoch_s = self._constant_epoch_s or 1.0
        if table is not None and table.epoch_s is not None:
            epoch_s = float(np.median(table.epoch_s))
        return Cluster(
            epoch_s=epoch_s,
            epoch_sigma=self.epoch_sigma,
            queue_s=self._duration("queue_s"),
            start_s=self._duration("start_s"),
            requeue_s=self._duration("queue_s" if self.requeue_s is None else "requeue_s"),
            begin_s=self.start_epochs * epoch_s,
            resume_s=self.resume_epochs * epoch_s,
            failures_per_hour=self.failures_per_hour,
            preemptions_per_hour=self.preemptions_per_hour,
        )

    def _duration(self, key: str) -> Duration:
        try:
            given = getattr(self, key)
            return duration(key, 0.0 if given is None else given)
        except ValueError as error:
            raise UsageError(str(error)) from error
