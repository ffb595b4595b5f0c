"""What a study has cost: cores and GPUs by time, CPU time, energy, epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import BEAT, LEASE, LOSSES, WORKER, all_stored, stored

_J_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Cost:
    """What was used.

    Attributes:
        core_h: cores occupied x time (h).
        gpu_h: GPUs occupied x time (h).
        cpu_h: time of processors (h), as far as workers could write it.
        cpu_kwh: energy of the processors (kWh); None: it cannot be read.
        gpu_kwh: that of the GPUs.
        epochs: reported values.
    """

    core_h: float = 0.0
    gpu_h: float = 0.0
    cpu_h: float = 0.0
    cpu_kwh: float | None = None
    gpu_kwh: float | None = None
    epochs: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.core_h + other.core_h,
            self.gpu_h + other.gpu_h,
            self.cpu_h + other.cpu_h,
            _sum(self.cpu_kwh, other.cpu_kwh),
            _sum(self.gpu_kwh, other.gpu_kwh),
            self.epochs + other.epochs,
        )

    def times(self, factor: float) -> Cost:
        """Return so many times this cost; epochs are rounded."""
        return Cost(
            self.core_h * factor,
            self.gpu_h * factor,
            self.cpu_h * factor,
            None if self.cpu_kwh is None else self.cpu_kwh * factor,
            None if self.gpu_kwh is None else self.gpu_kwh * factor,
            round(self.epochs * factor),
        )

    def at_least_nothing(self) -> Cost:
        """Return this cost with 0 in place of what is negative."""
        energy = self.cpu_kwh, self.gpu_kwh
        cpu_kwh, gpu_kwh = (None if x is None else max(0.0, x) for x in energy)
        core_h, gpu_h, cpu_h = (max(0.0, x) for x in (self.core_h, self.gpu_h, self.cpu_h))
        return Cost(core_h, gpu_h, cpu_h, cpu_kwh, gpu_kwh, max(0, self.epochs))

    @property
    def energy_kwh(self) -> float | None:
        """The energy that could be read (kWh), see `energy_of`; None: none could."""
        return _sum(self.cpu_kwh, self.gpu_kwh)

    @property
    def energy_of(self) -> str:
        """Whose energy could be read, as text."""
        pairs = ((self.cpu_kwh, "processors"), (self.gpu_kwh, "GPUs"))
        return " and ".join(name for kwh, name in pairs if kwh is not None)

    def __str__(self) -> str:
        parts = [f"{self.core_h:.3g} core-hours"]
        if self.gpu_h:
            parts.append(f"{self.gpu_h:.3g} GPU-hours")
        if self.energy_kwh is not None:
            parts.append(f"{self.energy_kwh:.3g} kWh of {self.energy_of}")
        return ", ".join(parts)


def _sum(a: float | None, b: float | None) -> float | None:
    return a if b is None else b if a is None else a + b


def cost_of(used: Mapping[str, float], epochs: int = 0) -> Cost:
    """Return the cost of what was used, as `hpo.study.meter.used_since` names it."""
    energy = (used.get("cpu_j"), used.get("gpu_j"))
    cpu_kwh, gpu_kwh = (None if joules is None else joules / _J_PER_KWH for joules in energy)
    core_h, gpu_h, cpu_h = (used.get(name, 0.0) / 3600 for name in ("core_s", "gpu_s", "cpu_s"))
    return Cost(core_h, gpu_h, cpu_h, cpu_kwh, gpu_kwh, epochs)


@dataclass(frozen=True)
class Present:
    """A worker as the study knows it.

    Attributes:
        record: its figures, see `hpo.study.record`.
        until: Unix time at which it was last seen, by its own clock.
    """

    record: Mapping[str, Any]
    until: float

    @property
    def cores(self) -> float:
        """Cores that it occupies; 1 where it did not say."""
        return float(self.record.get("cores", 1.0))

    @property
    def gpus(self) -> float:
        """GPUs that it occupies."""
        return float(self.record.get("gpus", 0.0))

    @property
    def start_up_s(self) -> float:
        """Seconds from the start of its process until it was ready."""
        return float(self.record.get("start_up_s", 0.0))

    @property
    def seconds(self) -> float:
        """How long it was there, its start included."""
        return max(0.0, self.until - float(self.record["start"])) + self.start_up_s

    def occupied(self, seconds: float) -> Cost:
        """Return the cost of occupying its cores and GPUs for a time."""
        return Cost(core_h=self.cores * seconds / 3600, gpu_h=self.gpus * seconds / 3600)

    @property
    def cost(self) -> Cost:
        """What it has cost."""
        figures = {k: v for k, v in self.record.items() if k in ("cpu_s", "cpu_j", "gpu_j")}
        return self.occupied(self.seconds) + cost_of(figures)


def workers_of(attributes: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> dict[str, Present]:
    """Return the workers of a study by name.

    Args:
        attributes: of the study.
        trials: those that run, or more. A worker that has a trial, or that died on one, lived at
            least until its last heartbeat.
    """
    seen: dict[str, float] = {}
    for trial in trials:
        if trial.state != TrialState.RUNNING and LOSSES not in trial.user_attrs:
            continue  # nearly all
        for worker, until in _last_seen(trial):
            seen[worker] = max(until, seen.get(worker, 0.0))
    found = {key.removeprefix(WORKER): r for key, r in all_stored(attributes, WORKER).items()}
    return {name: Present(r, max(r["end"], seen.get(name, 0.0))) for name, r in found.items()}


def mean_of(workers: Mapping[str, Present]) -> Present:
    """Return a worker that occupies the mean of all, for a time of which none is named."""
    n = max(len(workers), 1)
    cores = sum(w.cores for w in workers.values()) / n if workers else 1.0
    gpus = sum(w.gpus for w in workers.values()) / n
    return Present({"start": 0.0, "cores": cores, "gpus": gpus}, 0.0)


def held(trial: FrozenTrial) -> tuple[str, float]:
    """Return the worker that has a RUNNING trial, and how long it had it at its last heartbeat."""
    lease, beat = stored(trial.system_attrs, LEASE, {}), stored(trial.system_attrs, BEAT, [])
    is_its = bool(beat[2:]) and beat[0] == lease.get("id")
    held_s = float(beat[2]) if is_its and trial.state == TrialState.RUNNING else 0.0
    return str(lease.get("worker") or ""), held_s


def _last_seen(trial: FrozenTrial) -> list[tuple[str, float]]:
    """Return each worker that died on a trial or has it, and when it was last seen."""
    seen = [(loss["worker"], loss["until"]) for loss in stored(trial.user_attrs, LOSSES, [])]
    worker, held_s = held(trial)
    if held_s and trial.datetime_start is not None:
        seen.append((worker, trial.datetime_start.timestamp() + held_s))
    return seen
