"""What a simulated sweep spent and found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from hpo.simulate.timeline import Timeline


class Spent(NamedTuple):
    """What all workers have done up to a moment."""

    epochs: int
    n_started: int  # trials
    n_resumed: int  # times a trial was resumed after a pause or a preemption

    def cost(self, start_epochs: float, resume_epochs: float) -> float:
        """Return the epochs plus a charge in epochs for each start and each resumption."""
        return self.epochs + start_epochs * self.n_started + resume_epochs * self.n_resumed


@dataclass(frozen=True)
class Run:
    """One simulated sweep. For losses, smaller is better in either direction of the study.

    `finished` holds, for each trial that trained its last epoch, in order of time: what all
    workers had spent by then, and its loss. A synchronous one has no timeline. `n_cut` are the
    trials that would have gone on beyond what is known of their curves.
    """

    spent: Spent
    finished: tuple[tuple[Spent, float], ...]
    lengths: tuple[int, ...]  # epochs of each trial, in the order of their numbers
    timeline: Timeline | None = None
    n_cut: int = 0

    @property
    def final(self) -> float:
        """The best loss of a finished trial, inf if there is none."""
        return min((loss for _, loss in self.finished), default=math.inf)

    def spent_to(self, loss: float) -> Spent | None:
        """Return what was spent until a trial finished with at most this loss; None: none did."""
        return next((spent for spent, final in self.finished if final <= loss), None)
