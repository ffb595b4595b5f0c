"""The search that is scaled: made-up learning curves, the rungs, and the policies compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution

from hpo.curves import CurveTable, Floats

RUNG, ETA = 1, 3  # successive halving: one in ETA goes on at RUNG, ETA RUNG, ... epochs
SPACE = {"a": (0.0, 1.0), "b": (0.0, 1.0), "fall": (0.3, 1.2)}
SPREAD = 0.1  # trials are faster or slower by up to this share
PER_NODE = 4  # workers of a node, one per GPU


@dataclass(frozen=True)
class Study:
    """The work of a search, which does not depend on the number of nodes.

    Attributes:
        n_trials: how many begin.
        epochs: of a trial that goes to the end.
        epoch_s: mean seconds of an epoch.
        load_epochs: time to load the model of a paused trial, in epochs.
    """

    n_trials: int
    epochs: int
    epoch_s: float
    load_epochs: float

    @property
    def load_s(self) -> float:
        """Seconds to load the model of a paused trial."""
        return self.load_epochs * self.epoch_s


def loss_at(a: float | Floats, b: float | Floats, fall: float | Floats, epoch: Floats) -> Floats:
    """Return made-up losses after epochs >= 1: some fall fast, some late, to different ends."""
    values: Floats = 1 + (a - 0.4) ** 2 + (b - 0.4) ** 2 + 3 * epoch**-fall
    return values


def make_table(study: Study, seed: int) -> CurveTable:
    """Return the curves of a study whose configurations are drawn at random."""
    random = np.random.default_rng(seed)
    columns = [random.uniform(low, high, (study.n_trials, 1)) for low, high in SPACE.values()]
    a, b, fall = columns
    epochs = np.arange(1.0, study.epochs + 1)
    space: dict[str, BaseDistribution] = {
        name: FloatDistribution(low, high) for name, (low, high) in SPACE.items()
    }
    return CurveTable(tuple(SPACE), np.hstack(columns), loss_at(a, b, fall, epochs), space=space)
