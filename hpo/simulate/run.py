"""What a simulated sweep has spent and found."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One simulated sweep. Losses are small when good, in either direction of the study.

    Attributes:
        epochs: trained by all workers.
        n_started: trials that trained at least one epoch.
        n_resumed: how often a trial went on after a pause.
        finished: for each trial that trained its last epoch, in order of time: the epochs that all
            workers had trained by then, and its loss.
        lengths: epochs of each trial, in the order of their numbers.
    """

    epochs: int
    n_started: int
    n_resumed: int
    finished: tuple[tuple[int, float], ...]
    lengths: tuple[int, ...]

    @property
    def final(self) -> float:
        """The best loss of a finished trial, inf if there is none."""
        return min((loss for _, loss in self.finished), default=math.inf)

    def epochs_to(self, loss: float) -> float:
        """Return the epochs trained until a trial finished with at most this loss, else inf."""
        return next((float(epochs) for epochs, final in self.finished if final <= loss), math.inf)

    def cost(self, start_epochs: float, resume_epochs: float) -> float:
        """Return the epochs, with so many added for each start and each resumption."""
        return self.epochs + start_epochs * self.n_started + resume_epochs * self.n_resumed
