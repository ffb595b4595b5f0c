"""The trials of a study as one process sees them: one that has finished is looked at once."""

from __future__ import annotations

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial


class View:
    """What a process has seen of a study.

    A finished trial never changes, and a study may have thousands. Storages return them at little
    cost, but a loop over all of them, at each claim and each second, is dear.

    Args:
        storage: where the study is.
        study_id: Optuna's id of the study.

    Attributes:
        n_trials: how many the study had at the last look.
        unfinished: those of them that were waiting or running, by number.

    Example:
        >>> import optuna
        >>> study = optuna.create_study()
        >>> view = View(study._storage, study._study_id)
        >>> for value in (2.0, 3.0):
        ...     study.tell(study.ask(), value)
        ...     print([trial.value for trial in view.look()])
        [2.0]
        [3.0]
    """

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self.n_trials = 0
        self.unfinished: list[FrozenTrial] = []

    def look(self) -> list[FrozenTrial]:
        """Read the study; return the trials that have finished since the last look."""
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        known = (trial.number for trial in self.unfinished)
        numbers = [*known, *range(self.n_trials, len(trials))]
        self.n_trials = len(trials)
        looked_at = [trials[number] for number in numbers]
        self.unfinished = [trial for trial in looked_at if not trial.state.is_finished()]
        return [trial for trial in looked_at if trial.state.is_finished()]
