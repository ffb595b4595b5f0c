"""When workers trained which trial, as far as the records of a study tell.

A study has the last start of each trial, the time that it was trained in total, and the processes
that died on it. What a trial that was paused or given back did before its last start has no times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import LOSSES, added_from, seconds_of, stored
from hpo.reporting.spending import held
from hpo.reporting.subject import worker_of

_ROUNDED_S = 0.1  # the times of a loss are rounded to this
_OVERHEAD_S = 1.0  # what a trial takes outside of the application, at most


@dataclass(frozen=True)
class Span:
    """One uninterrupted time in which a worker had a trial.

    Attributes:
        trial: what it trained.
        worker: its name; where none is known, the place of the trial among those of this time.
        begin: Unix time.
        end: Unix time, at least `begin`; of a running trial the last heartbeat of its worker.
    """

    trial: FrozenTrial
    worker: str
    begin: float
    end: float

    @property
    def is_part(self) -> bool:
        """Whether the trial was trained for longer than this, so also before."""
        return seconds_of(self.trial) > self.end - self.begin + _OVERHEAD_S


def spans_of(trials: Iterable[FrozenTrial]) -> list[Span]:
    """Return what is known of when trials were trained, by worker and begin.

    Trials that were added to the study have none. The end of a paused trial has no time: it is at
    most as far from the begin as the trial was trained in total, and a worker trains one trial
    after the other.
    """
    found = [span for trial in trials if added_from(trial) is None for span in _recorded(trial)]
    ordered = sorted(found, key=lambda span: (span.worker, span.begin, span.trial.number))
    spans: list[Span] = []
    for worker, some in groupby(ordered, key=lambda span: span.worker):
        place = _one_after_the_other if worker else _beside_each_other
        spans += place([*some])
    return spans


def _recorded(trial: FrozenTrial) -> list[Span]:
    if trial.datetime_start is None:
        return []
    begin = trial.datetime_start.timestamp()
    losses = stored(trial.user_attrs, LOSSES, [])
    lost = [Span(trial, x["worker"], x["until"] - x["held_s"], x["until"]) for x in losses]
    if lost and abs(lost[-1].begin - begin) <= _ROUNDED_S:
        return lost  # it was not started again
    return [*lost, Span(trial, worker_of(trial), begin, max(begin, _end(trial, begin)))]


def _end(trial: FrozenTrial, begin: float) -> float:
    if trial.state == TrialState.RUNNING:
        return begin + held(trial)[1]
    trained = begin + seconds_of(trial)
    ended = trial.datetime_complete
    return trained if ended is None else min(trained, ended.timestamp())


def _one_after_the_other(spans: list[Span]) -> list[Span]:
    cut = [replace(a, end=min(a.end, b.begin)) for a, b in pairwise(spans)]
    return [*cut, *spans[-1:]]


def _beside_each_other(spans: list[Span]) -> list[Span]:
    """Return the spans of unnamed workers, each named by the first place that is free."""
    free_from: list[float] = []
    named = []
    for span in spans:
        free = (place for place, end in enumerate(free_from) if end <= span.begin)
        place = next(free, len(free_from))
        free_from[place : place + 1] = [span.end]
        named.append(replace(span, worker=str(place + 1)))
    return named
