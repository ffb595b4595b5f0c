"""Where the configurations and curves of a simulated sweep come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from hpo.curves import CurveTable
from hpo.search.seeded import Samplers


@dataclass(frozen=True)
class Curve:
    """What a training reports if nobody stops it; E epochs.

    Attributes:
        values: E of them, in the study's direction; one that is not finite ends the training.
        steps: at which they are reported, ascending.
        final: what the training returns after the last one.
        epoch_s: seconds of an epoch; None: those of the cluster.
        end: COMPLETE, or FAIL or PRUNED: nothing is known beyond the last value.
    """

    values: Sequence[float]
    steps: Sequence[int]
    final: float
    epoch_s: float | None = None
    end: TrialState = TrialState.COMPLETE


class Trials(Protocol):
    """The trials of a simulated sweep.

    Attributes:
        direction: "minimize" or "maximize".
        space: distribution of each hyperparameter.
        n_trials: None: any number.
    """

    direction: str
    space: dict[str, BaseDistribution]
    n_trials: int | None

    def fixed(self, number: int) -> dict[str, Any]:
        """Return the parameters of a trial that no sampler draws."""

    def sampler(self, number: int) -> BaseSampler:
        """Return the sampler that draws the others."""

    def curve(self, trial: optuna.Trial) -> Curve:
        """Return what the trial will report."""


class RowTrials:
    """The rows of a table in a given order, each in [0, T) for T trainings."""

    def __init__(self, table: CurveTable, rows: NDArray[np.intp]) -> None:
        self.direction, self.space = table.direction, table.distributions
        self._table, self._rows = table, rows
        self.n_trials: int | None = len(rows)
        self._sampler = RandomSampler()  # never asked

    def fixed(self, number: int) -> dict[str, Any]:
        """Return all hyperparameters of the row."""
        return self._table.params(int(self._rows[number]))

    def sampler(self, number: int) -> BaseSampler:
        """Return a sampler that has nothing to draw."""
        del number
        return self._sampler

    def curve(self, trial: optuna.Trial) -> Curve:
        """Return the curve of the row at the trial's number."""
        return curve_of(self._table, int(self._rows[trial.number]))


class SampledTrials:
    """Proposals of a sampler, each with the curve of the nearest row that no trial has had yet.

    In a live sweep no two trainings are the same. If each proposal near a good row got its curve
    again, a sampler that searches around good points would spend its epochs on copies of them.
    After all rows have been used, all can be used again.

    A sampler is made from its node for every trial, as in a live sweep. Of several trainings of
    the nearest configuration one is drawn, by `seed`. `n_trials` is None for any number of them.
    """

    def __init__(
        self, table: CurveTable, sampler: dict[str, Any], seed: int, n_trials: int | None = None
    ) -> None:
        self.direction, self.space = table.direction, table.distributions
        self.n_trials = n_trials
        self._table, self._samplers = table, Samplers(sampler)
        self._random = np.random.default_rng([seed, 1])
        self._left = np.arange(len(table))

    def fixed(self, number: int) -> dict[str, Any]:
        """Return nothing: all parameters are drawn."""
        del number
        return {}

    def sampler(self, number: int) -> BaseSampler:
        """Return a new sampler, seeded as in a live sweep."""
        return self._samplers.of(number)[0]

    def curve(self, trial: optuna.Trial) -> Curve:
        """Return the curve of the nearest row that is left, and use it up."""
        row = self._random.choice(self._table.nearest(trial.params, self._left))
        self._left = self._left[self._left != row]
        if not len(self._left):
            self._left = np.arange(len(self._table))
        return curve_of(self._table, int(row))


def curve_of(table: CurveTable, row: int) -> Curve:
    """Return the curve of a row of a table."""
    values = table.curves[row].tolist()
    epoch_s = None if table.epoch_s is None else float(table.epoch_s[row])
    return Curve(values, range(1, len(values) + 1), values[-1], epoch_s)
