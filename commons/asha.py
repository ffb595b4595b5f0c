"""Asynchronous successive halving that stops trials, repeated configurations included.

.. [Li2020] A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from commons.per_study import PerStudy
from commons.ranking import ranking_of
from commons.rungs import choose_rungs
from commons.standings import Standings

_SHARE = 0.8  # of the slow ladder: what is stopped never resumes, so more go on than if it could


class AshaPruner(BasePruner):
    """The stopping form of asynchronous successive halving [Li2020]_.

    At each rung a trial goes on if it is among the best of those that have reached the rung,
    itself included; the best one always does. By default the rungs are those of a slow ladder:
    r = 2 % of a training, at least 2 steps, each later one 1.5 times as far, and of n trials that
    have been at the first one 0.8 n (r / e)^0.85 reach step e. They rank there by two opinions,
    see `commons.ranking`. docs/explanation/policies.md has the study behind it.

    `AshaPruner(min_resource=1, ranking="last")` is the published algorithm: of n trials at a rung
    the best n // eta go on, ranked by their value there. That is also the rule of
    `optuna.pruners.SuccessiveHalvingPruner` except for ties: the trial with the smaller number
    ranks first. So a repetition of the best configuration is stopped like any other trial, not
    trained in full again. (Curves that have not moved yet, such as an accuracy at chance, share a
    place by two opinions: all of them go on.)

    Nothing is stored: ranks come from the reported values, which are kept sorted in memory. Ask
    `prune` after each report; a report that jumps over a rung counts there. NaN at a rung is
    pruned.

    Args:
        min_resource: r, steps at the first rung, at least 1; "auto": 2 % of `max_resource`, at
            least 2.
        reduction_factor: eta, at least 2, for the rungs r, r eta, r eta^2 ...; None: 3, or with
            "auto" the slow ladder.
        ranking: "two_opinions" or "last".
        max_resource: steps of a full trial; None: those of the longest trial of the study so far.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import optuna
        >>> def objective(trial):
        ...     for epoch in range(1, 10):
        ...         trial.report(trial.number / epoch, epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return trial.number / 9
        >>> study = optuna.create_study(pruner=AshaPruner())
        >>> study.optimize(objective, n_trials=2)
        >>> [trial.last_step for trial in study.trials]
        [9, 2]
    """

    def __init__(
        self,
        min_resource: int | Literal["auto"] = "auto",
        reduction_factor: int | None = None,
        ranking: str = "two_opinions",
        max_resource: int | None = None,
    ) -> None:
        self._rungs = choose_rungs(min_resource, reduction_factor, max_resource, _SHARE)
        self._standings = PerStudy(partial(Standings, self._rungs, ranking_of(ranking)))

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether there is a rung between two reports."""
        return self._rungs.grows or bool(self._rungs.between(before, step))

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial should end at a rung that its last report has reached."""
        standings = self._standings.of(study).look(study, trial)
        reached = standings.rungs.just_reached(trial)
        return not all(self._goes_on(trial.number, rung, standings) for rung in reached)

    def _goes_on(self, number: int, rung: int, standings: Standings) -> bool:
        place = standings.place(number, rung)
        n_best = standings.rungs.n_best(rung, standings.n_at)
        return place is not None and place < max(1, n_best)
