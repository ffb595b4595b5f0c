"""The trials of a study as one process sees them, at the cost of those that have changed."""

from __future__ import annotations

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from commons.changes import Changes


class View:
    """What a process has seen of a study; a finished trial is looked at once.

    Args:
        storage: where the study is.
        study_id: Optuna's id of the study.

    Attributes:
        n_trials: how many the study had at the last look.

    Example:
        >>> import optuna
        >>> study = optuna.create_study()
        >>> view = View(study._storage, study._study_id)
        >>> for value in (2.0, 3.0):
        ...     _ = study.tell(study.ask(), value)
        ...     print([trial.value for trial in view.look()])
        [2.0]
        [3.0]
    """

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._changes = Changes()
        self._unfinished: dict[int, FrozenTrial] = {}
        self.n_trials = 0

    @property
    def unfinished(self) -> list[FrozenTrial]:
        """Trials that were waiting or running at the last look, by number."""
        return [*self._unfinished.values()]

    def look(self) -> list[FrozenTrial]:
        """Read the study; return the trials that have finished since the last look."""
        finished = []
        for trial in self._changes.of(self._storage, self._study_id):
            self.n_trials = max(self.n_trials, trial.number + 1)
            if trial.state.is_finished():
                self._unfinished.pop(trial.number, None)
                finished.append(trial)
            else:
                self._unfinished[trial.number] = trial
        return finished
