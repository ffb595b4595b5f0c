"""Policies that pause trials and resume them, on whichever worker is free.

Optuna's pruners can only stop a trial for good. A pruner of this kind takes the same place in the
configuration; a trial that it pauses gives its lease back at that step, keeps its checkpoint and
history, and goes on where it was when the policy chooses it. The functions below take all
decisions on trials, of a live sweep as of a simulated one.

.. [Li2020] A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import Enum

from optuna import Study
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import PAUSED
from hpo.search.rungs import Rungs, value_at


class PausingPruner(BasePruner):
    """A pruner that says when a trial pauses and which paused trial goes on."""

    @abstractmethod
    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether a RUNNING trial should pause at its last step."""

    @abstractmethod
    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the paused trial that should go on now; None: rather a new one."""

    def may_begin(self, study: Study) -> bool:
        """Tell whether new trials may begin; if not, those left end without an epoch."""
        del study
        return True

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Stop no trial for good; the paused ones that are left at the end are pruned."""
        del study, trial
        return False


def is_paused(trial: FrozenTrial) -> bool:
    """Tell whether a policy has paused this WAITING trial at its last step."""
    paused_at = trial.system_attrs.get(PAUSED)
    return paused_at is not None and paused_at == trial.last_step


class Decision(Enum):
    """What a RUNNING trial does after a step."""

    GO_ON = "go on"
    PAUSE = "pause"
    PRUNE = "prune"


def decide(study: Study, trial: FrozenTrial) -> Decision:
    """Ask the study's pruner what a RUNNING trial does after its last step."""
    pruner = study.pruner
    if isinstance(pruner, PausingPruner) and pruner.pause(study, trial):
        return Decision.PAUSE
    return Decision.PRUNE if pruner.prune(study, trial) else Decision.GO_ON


def choose_paused(study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the one of the paused trials that goes on now; None: rather a new trial."""
    if isinstance(study.pruner, PausingPruner):
        return study.pruner.choose(study, paused)
    return paused[0]  # the study was begun with another pruner


def may_begin(study: Study) -> bool:
    """Tell whether the study's pruner lets new trials begin."""
    return not isinstance(study.pruner, PausingPruner) or study.pruner.may_begin(study)


def choose_last(study: Study, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the paused trial that runs to its end when no other is left; None: all are pruned.

    A study without a result is worth a full trial that no rung has promoted: the furthest one,
    the best of those.

    Args:
        study: asked for its direction.
        trials: of the study; none is running, and the policy has chosen none that waits.
    """
    waiting = (trial for trial in trials if trial.state == TrialState.WAITING)
    paused = [trial for trial in waiting if trial.intermediate_values]
    if not paused or any(trial.state == TrialState.COMPLETE for trial in trials):
        return None
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1

    def distance(trial: FrozenTrial) -> tuple[int, float]:
        step = max(trial.intermediate_values)
        return -step, sign * trial.intermediate_values[step]

    return min(paused, key=distance)


class PromotionPruner(PausingPruner):
    """Asynchronous successive halving by promotion, algorithm 2 of [Li2020]_.

    Every trial pauses at the rungs r, r eta, r eta^2 ... A trial in the best 1/eta of all that
    have reached its rung is promoted: it goes on to the next. New trials start when none can be.

    Args:
        min_resource: r, steps at the first rung, at least 1.
        reduction_factor: eta, at least 2.
        max_resource: R, steps of a full trial, which does not pause at its end; None: unknown.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self, min_resource: int = 1, reduction_factor: int = 3, max_resource: int | None = None
    ) -> None:
        self._rungs = Rungs(min_resource, reduction_factor)
        if max_resource is not None and max_resource < min_resource:
            raise ValueError(f"max_resource must be >= {min_resource}, got {max_resource}")
        self._max_resource = max_resource

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a rung, unless the trial would be promoted at once."""
        if self._max_resource is not None and (trial.last_step or 0) >= self._max_resource:
            return False
        if not self._rungs.just_reached(trial):
            return False
        return self.choose(study, [trial]) is None

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best promotable trial of the highest rung that has one."""
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        trials = study.get_trials(deepcopy=False)
        rungs = {t.number: self._rungs.up_to(t.last_step or 0)[-1:] for t in paused}
        for rung in sorted({rung for highest in rungs.values() for rung in highest}, reverse=True):
            values = ((value_at(trial, rung), trial.number) for trial in trials)
            ranked = sorted((sign * v, number) for v, number in values if v is not None)
            here = {t.number: t for t in paused if rungs[t.number] == [rung]}
            for _, number in ranked[: len(ranked) // self._rungs.reduction_factor]:
                if number in here:
                    return here[number]
        return None
