"""Which trials of a study have changed, as one process sees them.

A study may have thousands of finished trials, which never change. Storages return all trials at
little cost, but a loop over them, at each claim, decision and second, is dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import is_not

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial


class Changes:
    """Finds the trials of a study that have changed, without a look into the others.

    Optuna's storages never change a trial that they have returned, they replace it: a trial has
    changed if it is another object.

    Example:
        >>> import optuna
        >>> study, changes = optuna.create_study(), Changes()
        >>> trials = [study.ask(), study.ask()]
        >>> trials[1].report(0.5, 1)
        >>> [trial.number for trial in changes.since(study.get_trials(deepcopy=False))]
        [0, 1]
        >>> trials[1].report(0.4, 2)
        >>> [trial.number for trial in changes.since(study.get_trials(deepcopy=False))]
        [1]
    """

    def __init__(self) -> None:
        self._known: list[FrozenTrial] = []
        self._position = 0

    def of(self, storage: BaseStorage, study_id: int) -> list[FrozenTrial]:
        """Return the changed and new trials of a study, by number, since the last call.

        A storage that knows them has `changed_trials(study_id, position)`, which returns the next
        position, 0 at first, and the trials that have changed since that one.
        """
        changed_trials = getattr(storage, "changed_trials", None)
        if changed_trials is None:
            return self.since(storage.get_all_trials(study_id, deepcopy=False))
        self._position, changed = changed_trials(study_id, self._position)
        return list(changed)

    def since(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the changed and new ones of a study's `trials`, by number, since the last call.

        Args:
            trials: all of the study, by number, not copied.
        """
        known, self._known = self._known, [*trials]
        changed = compress(trials, map(is_not, trials, known))
        return [*changed, *trials[len(known) :]]
