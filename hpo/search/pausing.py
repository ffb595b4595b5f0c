"""Policies that pause trials and resume them, on any free worker.

Optuna's pruners can only stop a trial for good. A trial that a `PausingPruner` pauses gives back
its lease, keeps its checkpoint and history, and resumes at that step when the policy chooses it.
The functions below make all decisions about trials, for live and simulated sweeps.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import overload

from optuna import Study
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import FIXED, storage_of, trial_id
from commons.rungs import sign
from hpo.attributes import PARENT, PAUSED, stored
from hpo.search.lineage import Origin
from hpo.search.objectives import for_pruner


class PausingPruner(BasePruner):
    """A pruner that says when a trial pauses and which paused trial resumes.

    Works in sweeps and in `hpo.optimize`, on any storage. In plain Optuna, whose trials cannot
    pause, the first `should_prune` raises a RuntimeError.

    Example:
        >>> class OneByOne(PausingPruner):  # one epoch of each trial in turn
        ...     def pause(self, study, trial):
        ...         return True
        ...
        ...     def choose(self, study, paused):
        ...         return min(paused, key=lambda trial: trial.last_step, default=None)
    """

    @abstractmethod
    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether a RUNNING trial should pause at the step that it has just reported."""

    @abstractmethod
    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the one of `paused` that a free worker should resume; None: begin a new one.

        `paused` is not empty; its trials are WAITING.
        """

    def may_begin(self, study: Study) -> bool:
        """Tell whether new trials may begin; if not, the remaining ones end without an epoch."""
        del study
        return True

    def may_take(self, trial: FrozenTrial) -> bool:
        """Tell whether this worker may work on a waiting trial; False leaves it to another one."""
        del trial
        return True

    def of_all_workers(self) -> PausingPruner:
        """Return the policy that chooses among what waits for any worker."""
        return self

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether anything may be decided when a trial has reached `step` after `before`.

        If not, neither `pause` nor `ends` is asked, and the value may be stored a few seconds
        later. Any pruner of a sweep may have this method.
        """
        del before, step
        return True

    def origin(self, study: Study, trial: FrozenTrial) -> Origin | None:
        """Return what a new trial, which is WAITING, begins with; None: with nothing."""
        del study, trial
        return None

    def ends(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether a RUNNING trial that does not pause should end for good.

        Those that are still paused when the study ends are pruned then, whatever this says.
        """
        del study, trial
        return False

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Refuse: only plain Optuna asks this.

        Raises:
            RuntimeError: always.
        """
        del study, trial
        raise RuntimeError(
            f"{type(self).__name__} pauses trials, which Optuna's study.optimize cannot: "
            "use hpo.optimize"
        )


def is_paused(trial: FrozenTrial) -> bool:
    """Tell whether a policy has paused this WAITING trial at its last step."""
    paused_at = stored(trial.system_attrs, PAUSED)
    return paused_at is not None and paused_at == trial.last_step


class PausedTrials(Sequence[FrozenTrial]):
    """Paused trials in the order of their numbers, each found at once by its number."""

    def __init__(self, trials: Iterable[FrozenTrial] = ()) -> None:
        self._trials = {trial.number: trial for trial in trials}
        self._numbers = sorted(self._trials)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> FrozenTrial: ...

    @overload
    def __getitem__(self, place: slice) -> list[FrozenTrial]: ...

    def __getitem__(self, place: int | slice) -> FrozenTrial | list[FrozenTrial]:
        """Return the trial, or the trials, at a place in the order."""
        if isinstance(place, slice):
            return [self._trials[number] for number in self._numbers[place]]
        return self._trials[self._numbers[place]]

    def get(self, number: int) -> FrozenTrial | None:
        """Return the trial with a number; None: it is not among them."""
        return self._trials.get(number)

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial whose number is not among them."""
        self._trials[trial.number] = trial
        insort(self._numbers, trial.number)

    def remove(self, number: int) -> None:
        """Remove the trial with a number."""
        del self._trials[number]
        del self._numbers[bisect_left(self._numbers, number)]


class Decision(Enum):
    """What a trial does after a step."""

    GO_ON = "go on"
    PAUSE = "pause"
    PRUNE = "prune"


def is_due(pruner: BasePruner, before: int, step: int) -> bool:
    """Tell whether a pruner may decide anything at `step`, the largest one before being `before`.

    A pruner that does not say decides after each report.
    """
    if isinstance(pruner, NopPruner):
        return False
    says = getattr(pruner, "is_due", None)
    return says is None or step <= before or bool(says(before, step))


def decide(study: Study, trial: FrozenTrial) -> Decision:
    """Ask the study's pruner what a RUNNING trial does after its last step."""
    pruner, study = study.pruner, for_pruner(study)
    if not isinstance(pruner, PausingPruner):
        return Decision.PRUNE if pruner.prune(study, trial) else Decision.GO_ON
    if pruner.pause(study, trial):
        return Decision.PAUSE
    return Decision.PRUNE if pruner.ends(study, trial) else Decision.GO_ON


def choose_paused(study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the paused trial that a free worker should resume; None: begin a new one."""
    if isinstance(study.pruner, PausingPruner):
        return study.pruner.choose(for_pruner(study), paused)
    return paused[0]  # they were paused by the pruner of an earlier command


def may_begin(study: Study) -> bool:
    """Tell whether the study's pruner lets new trials begin."""
    return not isinstance(study.pruner, PausingPruner) or study.pruner.may_begin(for_pruner(study))


def limits_beginnings(pruner: BasePruner | None) -> bool:
    """Tell whether `may_begin` may refuse, so that new trials have to begin one by one."""
    return (
        isinstance(pruner, PausingPruner) and type(pruner).may_begin is not PausingPruner.may_begin
    )


def begin(study: Study, trial: FrozenTrial) -> bool:
    """Record what a new trial, which is WAITING, begins with; return whether it may begin.

    Hold the study's lock, so that no other trial begins meanwhile.
    """
    if not may_begin(study):
        return False
    pruner, storage = study.pruner, storage_of(study)
    origin = pruner.origin(for_pruner(study), trial) if isinstance(pruner, PausingPruner) else None
    if origin is not None:
        storage.set_trial_system_attr(trial_id(trial), PARENT, origin.record)
        storage.set_trial_system_attr(trial_id(trial), FIXED, origin.params)
    return True


def for_this_worker(pruner: BasePruner | None, trial: FrozenTrial) -> bool:
    """Tell whether a policy leaves a waiting trial to this worker."""
    return not isinstance(pruner, PausingPruner) or pruner.may_take(trial)


def n_startable(study: Study, begun: Sequence[FrozenTrial], n_new: int) -> int:
    """Return how many waiting trials could begin or go on now, as a policy says.

    Args:
        study: with the policy as its pruner.
        begun: trials that have begun and wait.
        n_new: trials that have not begun.
    """
    known = isinstance(begun, PausedTrials)
    paused = PausedTrials(begun if known else filter(is_paused, begun))
    n = len(begun) - len(paused)
    while paused and (chosen := choose_paused(study, paused)) is not None:
        paused.remove(chosen.number)
        n += 1
    return n + (n_new if n_new and may_begin(study) else 0)


def choose_last(study: Study, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the paused trial that is trained to its end when no other is left, or None.

    A study should have a result: if no trial is complete, the trial with the most steps continues,
    among those the best one. No trial may be running.
    """
    waiting = (trial for trial in trials if trial.state == TrialState.WAITING)
    paused = [trial for trial in waiting if trial.intermediate_values]
    if not paused or any(trial.state == TrialState.COMPLETE for trial in trials):
        return None

    def distance(trial: FrozenTrial) -> tuple[int, float]:
        step = max(trial.intermediate_values)
        return -step, sign(study) * trial.intermediate_values[step]

    return min(paused, key=distance)
