"""Asynchronous successive halving by promotion: trials pause at rungs, the best ones resume.

.. [Li2020] A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from optuna import Study
from optuna.trial import FrozenTrial

from hpo.search.pausing import PausedTrials, PausingPruner
from hpo.search.per_study import PerStudy
from hpo.search.rungs import Rungs
from hpo.search.standings import Standings


class PromotionPruner(PausingPruner):
    """Asynchronous successive halving by promotion, algorithm 2 of [Li2020]_.

    Every trial pauses at the rungs r, r eta, r eta^2 ... A trial in the best 1/eta of all that
    have reached its rung is promoted: it continues to the next rung. A free worker resumes such a
    trial first and begins a new one if there is none.

    Args:
        min_resource: r, steps at the first rung, at least 1.
        reduction_factor: eta, at least 2.
        max_resource: R, steps of a full trial, at least r; it does not pause there. None: unknown.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import tempfile, hpo, optuna
        >>> def objective(trial):  # a real one resumes from a checkpoint of trial.number
        ...     for epoch in range(1, 10):
        ...         trial.report(trial.number / epoch, epoch)
        ...         if trial.should_prune():  # it is paused, or pruned in the end
        ...             raise optuna.TrialPruned
        ...     return trial.number / 9
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = hpo.optimize(
        ...         objective,
        ...         study_name="s",
        ...         storage=f"{folder}/journal.log",
        ...         folder=folder,
        ...         n_trials=4,
        ...         pruner=PromotionPruner(max_resource=9),
        ...     )
        ...     [trial.last_step for trial in study.trials]
        [9, 1, 1, 1]
    """

    def __init__(
        self, min_resource: int = 1, reduction_factor: int = 3, max_resource: int | None = None
    ) -> None:
        self._rungs = Rungs(min_resource, reduction_factor)
        self._standings = PerStudy(partial(Standings, self._rungs))
        if max_resource is not None and max_resource < min_resource:
            raise ValueError(f"max_resource must be >= {min_resource}, got {max_resource}")
        self._max_resource = max_resource

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether there is a rung between two reports."""
        return bool(self._rungs.between(before, step))

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a rung, unless the trial would be promoted at once."""
        if self._max_resource is not None and (trial.last_step or 0) >= self._max_resource:
            return False
        if not self._rungs.just_reached(trial):
            return False
        standings = self._standings.of(study).look(study)
        return not standings.is_promotable(trial.number, self._rungs.reduction_factor)

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best promotable trial of the highest rung that has one."""
        only = isinstance(paused, PausedTrials)  # else a caller may ask about a running trial too
        here = paused if isinstance(paused, PausedTrials) else PausedTrials(paused)
        standings = self._standings.of(study).look(study)
        for number in standings.promotable(self._rungs.reduction_factor, waiting_only=only):
            if (trial := here.get(number)) is not None:
                return trial
        return None
