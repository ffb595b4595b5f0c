"""Growing the promising: a trial trains on more GPUs the further it has come.

Successive halving leaves few trials at the high rungs. Where each trial keeps its GPUs, the others
are idle then; here a promoted trial goes on with more of them, as in [Aach2024]_. A trial pauses
where its number of GPUs changes, and a worker that has that many resumes it.

.. [Aach2024] Resource-Adaptive Successive Doubling for Hyperparameter Optimization with Large
   Datasets on High-Performance Computing Systems, arXiv:2412.02729.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna import Study
from optuna.trial import FrozenTrial

from hpo.growth import Growth
from hpo.search.lineage import Origin
from hpo.search.pausing import PausingPruner


def undecided(policy: PausingPruner, growth: Growth) -> int | None:
    """Return a step where the number of GPUs changes and the policy promotes nobody.

    A trial that paused there would not go on. None: there is no such step.
    """
    steps = (step for step in sorted(growth.gpus) if step > 0)
    return next((step for step in steps if not policy.is_due(step - 1, step)), None)


class GrowingPruner(PausingPruner):
    """A pausing policy whose trials change their number of GPUs; for one worker, which has some.

    Args:
        policy: decides which trials go on.
        growth: how many GPUs each then has.
        gpus: those of this worker.
    """

    def __init__(self, policy: PausingPruner, growth: Growth, gpus: int) -> None:
        self._policy, self._growth, self._gpus = policy, growth, gpus

    def of_all_workers(self) -> PausingPruner:
        """Return the policy that chooses among the trials of all sizes."""
        return self._policy

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether the policy decides, or the number of GPUs changes."""
        return self._changes(before, step) or self._policy.is_due(before, step)

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause where the policy does, and where the trial needs another number of GPUs."""
        before = sorted(trial.intermediate_values)[-2:-1]
        step = trial.last_step or 0
        return self._changes(before[0] if before else 0, step) or self._policy.pause(study, trial)

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return what the policy chooses of the trials that need as many GPUs as there are."""
        own = [trial for trial in paused if self.may_take(trial)]
        return self._policy.choose(study, own) if own else None

    def may_begin(self, study: Study) -> bool:
        """Tell whether new trials may begin, and with as many GPUs as there are."""
        return self._growth.after(0) == self._gpus and self._policy.may_begin(study)

    def may_take(self, trial: FrozenTrial) -> bool:
        """Tell whether a waiting trial needs as many GPUs as there are."""
        return self._growth.after(trial.last_step or 0) == self._gpus

    def origin(self, study: Study, trial: FrozenTrial) -> Origin | None:
        """Return what the policy says a new trial begins with."""
        return self._policy.origin(study, trial)

    def ends(self, study: Study, trial: FrozenTrial) -> bool:
        """Return what the policy says."""
        return self._policy.ends(study, trial)

    def _changes(self, before: int, step: int) -> bool:
        return self._growth.after(before) != self._growth.after(step)
