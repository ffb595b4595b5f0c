"""The rungs of a study, and what is known of the length of its trials, from its trials alone.

A rung is a step at which a policy stops trials. No policy is asked: the steps at which trials were
pruned or paused tell. A finished trial is looked at once, so a look costs what runs.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import DIVERGED, added_from, seconds_of, stored
from hpo.reporting.summary import n_epochs
from hpo.reporting.waiting import paused_at

_SHARE = 0.05  # of all stops, at least, are at a rung
_MAX_RUNGS = 8


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes:
        step: where it is.
        n_reached: trials that have a value at this step or a later one.
        n_stopped: trials that were pruned there or are paused there.
        best: the best value at this step; None: no trial has reported there.
    """

    step: int
    n_reached: int
    n_stopped: int
    best: float | None


class Lengths:
    """How long the finished trials of a study were, and their values at each step.

    Args:
        sign: -1 if the study maximizes, else 1.
    """

    def __init__(self, sign: int = 1) -> None:
        self._sign = sign
        self._known: set[int] = set()
        self._stops: Counter[int] = Counter()  # where a policy stopped trials
        self._ends: Counter[int] = Counter()  # last steps of trials that ended by themselves too
        self._values: dict[int, list[float]] = {}  # signed and sorted, by step
        self.seconds, self.epochs = 0.0, 0
        self.has_complete = False

    def add(self, trials: Iterable[FrozenTrial]) -> None:
        """Look at those finished trials that are new."""
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._known:
                self._known.add(trial.number)
                self._count(trial)

    def _count(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.FAIL:
            return
        if added_from(trial) is not None:
            return
        last = trial.last_step or 0
        self._ends[last] += 1
        self.epochs += n_epochs(trial)
        self.seconds += seconds_of(trial)
        self.has_complete |= trial.state == TrialState.COMPLETE
        if trial.state == TrialState.PRUNED and stored(trial.user_attrs, DIVERGED) is None:
            self._stops[last] += last > 0
        for step, value in trial.intermediate_values.items():
            if math.isfinite(value):
                insort(self._values.setdefault(step, []), self._sign * value)

    def rungs(self, others: Iterable[FrozenTrial] = ()) -> list[Rung]:
        """Return the rungs in order; `others` are the trials that are not finished."""
        others = [trial for trial in others if trial.last_step is not None]
        paused = Counter(at for trial in others if (at := paused_at(trial)) is not None)
        stops = self._stops + paused
        least = max(1.0, _SHARE * sum(stops.values()))
        steps = sorted(s for s, n in stops.most_common(_MAX_RUNGS) if n >= least)
        return [self._rung(step, stops[step], others) for step in steps]

    def _rung(self, step: int, n_stopped: int, others: list[FrozenTrial]) -> Rung:
        beyond = sum(n for last, n in self._ends.items() if last >= step)
        reached = [trial for trial in others if (trial.last_step or 0) >= step]
        values = [t.intermediate_values.get(step, math.nan) for t in reached]
        finite = [self._sign * value for value in values if math.isfinite(value)]
        finite += self._values.get(step, [])[:1]
        best = self._sign * min(finite) if finite else None
        return Rung(step, beyond + len(reached), n_stopped, best)

    def standing(self, trial: FrozenTrial) -> tuple[float, float]:
        """Return how a running trial stands, to sort by: small is good.

        The share of finished trials that had a better value at its last step, then its value.
        """
        step = trial.last_step
        if step is None or not math.isfinite(trial.intermediate_values[step]):
            return math.inf, math.inf
        value = self._sign * trial.intermediate_values[step]
        values = self._values.get(step, [])
        return bisect_left(values, value) / (len(values) + 1), value

    @property
    def ends(self) -> Mapping[int, int]:
        """How many finished trials ended at each step; those that failed are not counted."""
        return self._ends


def rungs_of(trials: Iterable[FrozenTrial], sign: int) -> list[Rung]:
    """Return the rungs of a study in order; `sign` is -1 if it maximizes, else 1."""
    trials = [*trials]
    lengths = Lengths(sign)
    lengths.add(trials)
    return lengths.rungs(trial for trial in trials if not trial.state.is_finished())
