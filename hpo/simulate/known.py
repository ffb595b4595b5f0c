"""What is known of a finished study, as trials of a simulated sweep.

Trials report again what they reported, and their epochs take the time that they took. Nothing is
assumed about a curve beyond its last value: a trial that was pruned, or failed, ends there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import storage_of, study_id
from hpo.attributes import DIVERGED, WORKER, all_stored, own_trials, seconds_of, stored
from hpo.reporting.summary import intervals, summarize
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.trials import Curve


class KnownTrials:
    """The trials of a study in the order of their numbers, see `hpo.simulate.trials.Trials`."""

    def __init__(self, direction: str, known: Sequence[tuple[FrozenTrial, Curve]]) -> None:
        self.direction, self._known = direction, known
        self.n_trials: int | None = len(known)
        self.space = _common_space([trial for trial, _ in known])
        self._sampler = RandomSampler()  # never asked

    def fixed(self, number: int) -> dict[str, Any]:
        """Return the parameters of a trial."""
        return self._known[number][0].params

    def sampler(self, number: int) -> BaseSampler:
        """Return a sampler that has nothing to draw."""
        del number
        return self._sampler

    def curve(self, trial: optuna.Trial) -> Curve:
        """Return what the trial reported."""
        return self._known[trial.number][1]


@dataclass(frozen=True)
class KnownStudy:
    """A study that can be replayed.

    Attributes:
        trials: those that ended.
        n_left_out: other trials, and those whose time is not known.
        n_workers: the most that worked at once; without records of workers, the most trials.
        queued_s: median time that the job of a worker waited, 0 if it is not known.
        start_up_s: median time that a worker needed to be ready.
        between_s: mean time of a worker from one training to the next.
        wall_s: time with at least one worker that is ready, over all commands.
        cores: median of those that a worker occupied; 1 if it is not known.
        n_epochs: of the longest complete trial; 0: none is complete.
    """

    trials: KnownTrials
    n_left_out: int
    n_workers: int
    queued_s: float
    start_up_s: float
    between_s: float
    wall_s: float
    cores: float
    n_epochs: int

    @property
    def cluster(self) -> Cluster:
        """The machines of the study."""
        return Cluster(
            epoch_sigma=0.0,
            queue_s=Duration((self.queued_s,)),
            requeue_s=Duration((self.queued_s,)),
            start_s=Duration((self.start_up_s,)),
            begin_s=self.between_s,
            resume_s=self.between_s,
        )


def known_study(study: optuna.Study) -> KnownStudy:
    """Return what is known of a study."""
    summary, all_trials = summarize(storage_of(study), study_id(study))
    trials = own_trials(all_trials)
    pairs = [(trial, _curve(trial)) for trial in trials]
    known = [(trial, curve) for trial, curve in pairs if curve is not None]
    full = [len(c.values) for _, c in known if c.end is TrialState.COMPLETE]
    workers = [*all_stored(study.user_attrs, WORKER).values()]
    return KnownStudy(
        trials=KnownTrials(summary.direction, known),
        n_left_out=len(trials) - len(known),
        n_workers=_most_at_once(intervals(workers, trials)),
        queued_s=_median(workers, "queued_s", 0.0),
        start_up_s=_median(workers, "start_up_s", 0.0),
        between_s=_between_s(workers),
        wall_s=summary.wall_s,
        cores=_median(workers, "cores", 1.0),
        n_epochs=max(full, default=0),
    )


def _curve(trial: FrozenTrial) -> Curve | None:
    """Return what a trial reported, None if it has not ended or its time is not known."""
    if not trial.state.is_finished():
        return None
    reported = dict(sorted(trial.intermediate_values.items()))
    diverged = stored(trial.user_attrs, DIVERGED)
    if not reported and trial.value is not None:
        reported = {1: trial.value}
    elif not reported or diverged is not None:
        step = diverged if isinstance(diverged, int) else max(reported, default=0) + 1
        reported[step] = math.nan
    seconds = seconds_of(trial)
    if seconds <= 0:
        return None
    values = list(reported.values())
    final = values[-1] if trial.value is None else trial.value
    return Curve(values, list(reported), final, seconds / len(values), trial.state)


def _most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    changes = [(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans]
    return max(1, *accumulate(change for _, change in sorted(changes)), 1)


def _between_s(workers: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean time outside of trainings, of workers that had any, per training."""
    n_trials = sum(_number(w, "n_trials") for w in workers)
    until = sum(max(_number(w, "worked_until"), w["start"]) - w["start"] for w in workers)
    outside = until - sum(w["busy_s"] for w in workers)
    return max(0.0, float(outside)) / n_trials if n_trials else 0.0


def _median(workers: Sequence[Mapping[str, Any]], key: str, default: float) -> float:
    known = [_number(worker, key) for worker in workers if key in worker]
    return statistics.median(known) if known else default


def _number(worker: Mapping[str, Any], key: str) -> float:
    value: Any = worker.get(key)
    return float(value) if type(value) in (int, float) and 0 <= value < math.inf else 0.0


def _common_space(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Return what all trials have been asked for alike."""
    spaces = [trial.distributions for trial in trials]
    return {
        name: distribution
        for name, distribution in (spaces[0] if spaces else {}).items()
        if all(space.get(name) == distribution for space in spaces)
    }
