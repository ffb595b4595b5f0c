"""Asynchronous successive halving that stops trials, repeated configurations included.

.. [Li2020] A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934.
"""

from __future__ import annotations

from functools import partial

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from hpo.search.per_study import PerStudy
from hpo.search.rungs import Rungs, sign, value_at
from hpo.search.standings import Standings


class AshaPruner(BasePruner):
    """The stopping form of asynchronous successive halving [Li2020]_.

    At each rung a trial continues if it is among the best n // eta of the n trials that have
    reached the rung, itself included; among fewer than eta only the best continues. That is the
    rule of `optuna.pruners.SuccessiveHalvingPruner` except for ties: the trial with the smaller
    number ranks first. So a repetition of the best configuration is stopped at a rung like any
    other trial, not trained in full again. Where all values are equal, such as an accuracy that
    has not moved yet, only the first few trials continue: increase `min_resource`.

    Nothing is stored: ranks come from the reported values, which are kept sorted in memory. Ask
    `prune` after each report; a report that jumps over a rung counts there. NaN at a rung is
    pruned.

    Args:
        min_resource: r, steps at the first rung, at least 1.
        reduction_factor: eta, at least 2.

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
        >>> study = optuna.create_study(pruner=AshaPruner(min_resource=3))
        >>> study.optimize(objective, n_trials=2)
        >>> [trial.last_step for trial in study.trials]
        [9, 3]
    """

    def __init__(self, min_resource: int = 1, reduction_factor: int = 3) -> None:
        self._rungs = Rungs(min_resource, reduction_factor)
        self._standings = PerStudy(partial(Standings, self._rungs))

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether there is a rung between two reports."""
        return bool(self._rungs.between(before, step))

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial should end at a rung that its last report has reached."""
        reached = self._rungs.just_reached(trial)
        if not reached:
            return False
        standings = self._standings.of(study).look(study)
        return not all(self._goes_on(trial, rung, standings, sign(study)) for rung in reached)

    def _goes_on(self, trial: FrozenTrial, rung: int, standings: Standings, sign: int) -> bool:
        value = value_at(trial, rung)
        if value is None:
            return False
        n_others, n_better = standings.among_others(sign * value, trial.number, rung)
        return n_better < max(1, (n_others + 1) // self._rungs.reduction_factor)
