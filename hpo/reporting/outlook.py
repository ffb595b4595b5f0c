"""How long a sweep still takes, from how long its trials were: few go far, and those take longest.

The first trials to end are those that were pruned early. Their mean would promise far too much, so
the share of trials that goes on at each step counts those that still run (Kaplan-Meier).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpo.reporting.rungs import Lengths


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
        ends: how many finished trials ended at each step.
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
    lengths: Lengths, running: Sequence[int], paused: Sequence[int], n_new: int
) -> Outlook | None:
    """Return how long a sweep still takes; None: no trial has ended yet, or none runs.

    Args:
        lengths: of the finished trials.
        running: the steps that running trials have reached, one worker each.
        paused: those of trials that wait at a rung.
        n_new: trials that have not begun.
    """
    if not lengths.epochs or not running:
        return None
    survival = Survival(lengths.ends, [*running, *paused])
    begun = [survival.epochs_left(step) for step in (*running, *paused)]
    new = survival.epochs_left(0) if n_new else 0.0
    # The work is shared by the workers, but no trial is shorter for that.
    epochs = max((sum(begun) + n_new * new) / len(running), new, *begun)
    return Outlook(epochs * lengths.seconds / lengths.epochs, not lengths.has_complete)
