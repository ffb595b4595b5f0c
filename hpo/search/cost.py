"""How long a step of a new trial is expected to take, from what others took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution

from commons.changes import Changes
from hpo.attributes import seconds_of
from hpo.search.screen import KernelRidge, coordinates

_MIN_TRIALS = 10  # with fewer nothing is expected
_MAX_TRIALS = 200  # the last ones: time and memory grow with the cube and the square


class Costs:
    """What the steps of one study's trials took: log of seconds by configuration."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._known: dict[int, tuple[dict[str, Any], float]] = {}

    def cheapest(
        self,
        study: Study,
        proposals: Sequence[dict[str, Any]],
        space: Mapping[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the proposal whose steps should take the least time; the first, if unknown.

        The logarithm of seconds per step is a function of the configuration, see `KernelRidge`.

        Args:
            study: of the trials.
            proposals: at least one; each has the parameters of `space`.
            space: distribution by name.
        """
        if len(proposals) == 1:
            return proposals[0]
        for trial in self._changes.since(study.get_trials(deepcopy=False)):
            seconds, n = seconds_of(trial), len(trial.intermediate_values)
            if seconds > 0 and n:
                self._known[trial.number] = trial.params, math.log(seconds / n)
        known = [each for each in self._known.values() if each[0].keys() >= space.keys()]
        if len(known) < _MIN_TRIALS:
            return proposals[0]
        known = known[-_MAX_TRIALS:]
        X = np.array([coordinates(params, space) for params, _ in known])
        model = KernelRidge().fit(X, np.array([cost for _, cost in known]))
        expected = model.predict(np.array([coordinates(each, space) for each in proposals]))
        return proposals[int(np.argmin(expected))]
