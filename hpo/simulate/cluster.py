"""What the machines of a simulated sweep do: times to start, speeds, failures, preemption."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

_UNIFORM = (0.9, 1.1)  # speeds of trials by default
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Duration:
    """A time in seconds: a constant, one of several that were measured, or lognormal.

    Attributes:
        values_s: one of them is drawn each time.
        sigma: standard deviation of the logarithm of a factor on it, with the median 1.

    Example:
        >>> import numpy as np
        >>> Duration((60.0,)).draw(np.random.default_rng(0))
        60.0
    """

    values_s: tuple[float, ...] = (0.0,)
    sigma: float = 0.0

    def draw(self, random: Generator) -> float:
        """Draw a time."""
        n = len(self.values_s)
        value = self.values_s[0 if n == 1 else int(random.integers(n))]
        return value * math.exp(self.sigma * random.standard_normal()) if self.sigma else value


_NONE = Duration()


@dataclass(frozen=True)
class Cluster:
    """The machines of a sweep.

    Attributes:
        epoch_s: seconds of an epoch, for curves that do not say it. At 1 time counts in epochs.
        epoch_sigma: of the logarithm of each trial's lognormal slowness, whose mean is 1; None: it
            is uniform in [0.9, 1.1].
        queue_s: until the job of a worker starts.
        start_s: from there until the worker is ready for its first trial.
        requeue_s: as `queue_s`, after a preemption.
        begin_s: from the claim of a new trial to the begin of its first epoch.
        resume_s: the same for a trial that was paused or preempted: it loads its checkpoint.
        failures_per_hour: trials that fail, by hour of a worker with a trial; all that they have
            trained is lost.
        preemptions_per_hour: workers that are preempted, by the same hour. The trial loses the
            epoch that it is in, any worker takes it over, and the worker's job is queued again.
    """

    epoch_s: float = 1.0
    epoch_sigma: float | None = None
    queue_s: Duration = _NONE
    start_s: Duration = _NONE
    requeue_s: Duration = _NONE
    begin_s: float = 0.0
    resume_s: float = 0.0
    failures_per_hour: float = 0.0
    preemptions_per_hour: float = 0.0

    def slowness(self, random: Generator) -> float:
        """Draw the factor on the time of a trial's epochs."""
        if self.epoch_sigma is None:
            return float(random.uniform(*_UNIFORM))
        sigma = self.epoch_sigma
        return math.exp(sigma * random.standard_normal() - sigma**2 / 2)

    def fault(self, random: Generator, span_s: float) -> tuple[float, bool] | None:
        """Draw what happens within a time with a trial.

        Returns:
            After how many seconds, and whether it is a preemption and no failure; None: nothing
            happens.
        """
        rates = self.failures_per_hour, self.preemptions_per_hour
        if not any(rates):  # no number is drawn
            return None
        after_s, is_preemption = min(
            (float(random.exponential(_HOUR_S / rate)), i == 1)
            for i, rate in enumerate(rates)
            if rate
        )
        return (after_s, is_preemption) if after_s < span_s else None


def duration(key: str, given: Any) -> Duration:
    """Return the time that a setting means.

    Args:
        key: its name, for the message.
        given: seconds; a list of them; or `{median: seconds, sigma: number}`.

    Raises:
        ValueError: it is something else.

    Example:
        >>> duration("queue_s", [60, 600]).values_s
        (60.0, 600.0)
    """
    sigma: Any = 0.0
    times = tuple(given) if isinstance(given, list) else (given,)
    if isinstance(given, Mapping) and set(given) == {"median", "sigma"}:
        times, sigma = (given["median"],), given["sigma"]
    if not times or not all(map(_is_time, (*times, sigma))):
        forms = "seconds, a list of them or {median: seconds, sigma: number}, none below 0"
        raise ValueError(f"{key}={given}: expected {forms}")
    return Duration(tuple(map(float, times)), float(sigma))


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0
