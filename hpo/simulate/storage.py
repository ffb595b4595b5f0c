"""The study of a simulated sweep: in the memory of one process."""

from __future__ import annotations

from collections.abc import Container

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class Memory(InMemoryStorage):
    """Optuna's storage in memory, for trials that go back to WAITING."""

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
