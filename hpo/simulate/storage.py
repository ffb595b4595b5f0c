"""The study of a simulated sweep: in the memory of one process."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class Memory(InMemoryStorage):
    """Optuna's storage in memory for one study, whose trials may go back to WAITING.

    It tells which trials have changed (`hpo.view.Changes.of`): a pruner that asks for all trials
    at each decision would make the cost of a sweep quadratic in them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed: list[int] = []  # ids of trials, at each change

    def changed_trials(self, study_id: int, since: int) -> tuple[int, list[FrozenTrial]]:
        """Return the trials that have changed since a position, by number, and the next one."""
        del study_id  # there is one
        changed = sorted(set(self._changed[since:]))
        return len(self._changed), [self.get_trial(trial_id) for trial_id in changed]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of the study in these states, by number."""
        # Optuna's shortcut for (WAITING,) assumes that no trial goes back to WAITING.
        if isinstance(states, tuple):
            states = frozenset(states)
        return super().get_all_trials(study_id, deepcopy, states)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial; return its id."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._changed.append(trial_id)
        return trial_id

    def set_trial_param(
        self, trial_id: int, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter of a trial."""
        super().set_trial_param(trial_id, name, value, distribution)
        self._changed.append(trial_id)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the state of a trial; return whether it could be set."""
        self._changed.append(trial_id)
        return super().set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        """Add a reported value to a trial."""
        super().set_trial_intermediate_value(trial_id, step, value)
        self._changed.append(trial_id)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of a trial for people."""
        super().set_trial_user_attr(trial_id, key, value)
        self._changed.append(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of a trial for programs."""
        super().set_trial_system_attr(trial_id, key, value)
        self._changed.append(trial_id)
