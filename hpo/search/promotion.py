"""Asynchronous successive halving by promotion: trials pause at rungs, the best ones resume.

.. [Li2020] A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from optuna import Study
from optuna.trial import FrozenTrial

from commons.per_study import PerStudy
from commons.ranking import ranking_of
from commons.rungs import choose_rungs
from commons.standings import Standings
from hpo.search.pausing import PausedTrials, PausingPruner

_SHARE = 0.7  # of the slow ladder


class PromotionPruner(PausingPruner):
    """Asynchronous successive halving by promotion, algorithm 2 of [Li2020]_.

    Every trial pauses at the rungs. One that is among the best of all that have reached its rung
    is promoted: it continues to the next rung. A free worker resumes such a trial first, from the
    highest rung that has one, and begins a new one if there is none.

    Rungs, numbers of those that go on and ranks are those of `AshaPruner`, except that the slow
    ladder lets 0.7 n (r / e)^0.85 trials reach step e.

    Args:
        min_resource: r, steps at the first rung, at least 1; "auto": 2 % of `max_resource`, at
            least 2.
        reduction_factor: eta, at least 2, for the rungs r, r eta, r eta^2 ...; None: 3, or with
            "auto" the slow ladder.
        max_resource: R, steps of a full trial, at least r; it does not pause there. None: unknown.
        ranking: "two_opinions" or "last".

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
        [9, 2, 2, 2]
    """

    def __init__(
        self,
        min_resource: int | Literal["auto"] = "auto",
        reduction_factor: int | None = None,
        max_resource: int | None = None,
        ranking: str = "two_opinions",
    ) -> None:
        rungs = choose_rungs(min_resource, reduction_factor, max_resource, _SHARE)
        # Trials have paused at the rungs, so these may not change with the longest trial.
        self._rungs, self._max_resource = replace(rungs, grows=False), max_resource
        self._standings = PerStudy(partial(Standings, self._rungs, ranking_of(ranking)))

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether there is a rung between two reports."""
        return bool(self._rungs.between(before, step))

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a rung, unless the trial would be promoted at once."""
        if self._max_resource is not None and (trial.last_step or 0) >= self._max_resource:
            return False
        if not self._rungs.just_reached(trial):
            return False
        standings = self._standings.of(study).look(study, trial)
        return not standings.is_promotable(trial.number)

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best promotable trial of the highest rung that has one."""
        only = isinstance(paused, PausedTrials)  # else a caller may ask about a running trial too
        here = paused if isinstance(paused, PausedTrials) else PausedTrials(paused)
        standings = self._standings.of(study).look(study)
        for number in standings.promotable(waiting_only=only):
            if (trial := here.get(number)) is not None:
                return trial
        return None
