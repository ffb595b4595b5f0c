"""How long a sweep still takes, from how long its trials were: few go far, and those take longest.

The first trials to end are those that were pruned early. Their mean would promise far too much, so
the share of trials that goes on at each step counts those that still run (Kaplan-Meier).

A policy that pauses trials resumes few of them and prunes the rest at the very end. So a paused
trial counts as one that has ended where it is: what it may still run is in the mean length of the
trials to come. Before a trial is complete, that mean tells nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from hpo.attributes import seconds_of
from hpo.reporting.rungs import Lengths
from hpo.reporting.summary import n_epochs


@dataclass(frozen=True)
class Outlook:
    """An estimate.

    Attributes:
        left_s: seconds until all trials are finished.
        is_least: no trial is complete yet, so it may take longer.
    """

    left_s: float
    is_least: bool


class Survival:
    """The share of trials that goes on beyond each step.

    Args:
        ends: how many trials ended at each step.
        running: the steps that the others have reached.
    """

    def __init__(self, ends: Mapping[int, int], running: Sequence[int]) -> None:
        self._steps = sorted(step for step in ends if step > 0)
        reached, at_risk = sorted(running), sum(ends[step] for step in self._steps)
        self._share, self._rest = [1.0], [0.0]  # beyond each step; epochs after it, per trial
        for step in self._steps:
            others = len(reached) - bisect_left(reached, step)
            self._share.append(self._share[-1] * (1 - ends[step] / (at_risk + others)))
            at_risk -= ends[step]
        places = [0, *self._steps]
        for place in range(len(self._steps), 0, -1):
            length = places[place] - places[place - 1]
            self._rest.append(self._rest[-1] + length * self._share[place - 1])
        self._rest.reverse()

    def epochs_left(self, step: int) -> float:
        """Return how many epochs a trial that has reached `step` still runs, on average."""
        place = bisect_right(self._steps, step)
        if place == len(self._steps) or self._share[place] <= 0:
            return 0.0
        rest = self._rest[place + 1]
        return (self._steps[place] - step) + rest / self._share[place]


def outlook(
    lengths: Lengths, running: Sequence[int], paused: Sequence[FrozenTrial], n_new: int
) -> Outlook | None:
    """Return how long a sweep still takes; None: that cannot be told yet, or no trial runs.

    Args:
        lengths: of the finished trials.
        running: the steps that running trials have reached, one worker each.
        paused: trials that wait at a rung.
        n_new: trials that have not begun.
    """
    stops = [trial.last_step or 0 for trial in paused]
    if not lengths.epochs or not running or (paused and not lengths.has_complete):
        return None
    survival = Survival(Counter(lengths.ends) + Counter(stops), running)
    begun = [survival.epochs_left(step) for step in running]
    new = survival.epochs_left(0) if n_new else 0.0
    # The work is shared by the workers, but no trial is shorter for that.
    epochs = max((sum(begun) + n_new * new) / len(running), new, *begun)
    seconds = lengths.seconds + sum(map(seconds_of, paused))
    run = lengths.epochs + sum(map(n_epochs, paused))
    return Outlook(epochs * seconds / run, not lengths.has_complete)
