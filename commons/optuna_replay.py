"""What a process knows of the studies in a journal: Optuna's replay at a fraction of its cost.

Optuna copies a trial and its values for each record about it, because readers may have the old
one. Of records that are applied at once, as when a worker reads a study of thousands of trials,
nobody sees the states between them: one copy of a trial is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from functools import lru_cache
from typing import Any, cast

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    json_to_distribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import FrozenTrial

_distribution = lru_cache(maxsize=1024)(json_to_distribution)  # nearly all trials have the same


class QuickReplay(JournalStorageReplayResult):
    """The studies and trials of a journal, which also knows which trials have changed.

    A trial that was returned never changes: it is replaced.
    """

    def __init__(self, worker_id_prefix: str) -> None:
        super().__init__(worker_id_prefix)
        self._fresh: set[int] = set()  # trials that only this call of `apply_logs` has
        self._changed: dict[int, int] = {}  # records at the last change of a trial, ascending

    def apply_logs(self, logs: Iterable[dict[str, Any]]) -> None:
        """Apply records; raises what Optuna raises."""
        try:
            super().apply_logs(logs)
        finally:
            for trial_id in self._fresh:
                self._changed.pop(trial_id, None)
                self._changed[trial_id] = self.log_number_read
            self._fresh.clear()

    def changed_trials(self, study_id: int, since: int) -> list[FrozenTrial]:
        """Return the trials of a study that have changed after so many records, by number.

        Raises:
            KeyError: there is no such study.
        """
        self.get_study(study_id)
        found = []
        for trial_id, at in reversed(self._changed.items()):
            if at <= since:
                break
            if self._trial_id_to_study_id[trial_id] == study_id:
                found.append(trial_id)
        return [self._trials[trial_id] for trial_id in sorted(found)]

    def _writable(self, log: dict[str, Any]) -> FrozenTrial | None:
        """Return the trial of a record, None if it must not change; raises what Optuna raises."""
        trial_id = log["trial_id"]
        if not self._trial_exists_and_updatable(trial_id, log):
            return None
        trial = self._trials[trial_id]
        if trial_id not in self._fresh:
            trial = self._trials[trial_id] = copy(trial)
            trial.params, trial.distributions = {**trial.params}, {**trial.distributions}
            trial.user_attrs, trial.system_attrs = {**trial.user_attrs}, {**trial.system_attrs}
            trial.intermediate_values = {**trial.intermediate_values}
            self._fresh.add(trial_id)
        return trial

    def _apply_create_trial(self, log: dict[str, Any]) -> None:
        n_before = len(self._trials)
        super()._apply_create_trial(log)
        self._fresh.update(range(n_before, len(self._trials)))

    def _apply_set_trial_param(self, log: dict[str, Any]) -> None:
        trial = self._writable(log)
        if trial is None:
            return
        name, distribution = log["param_name"], _distribution(log["distribution"])
        try:
            self._check_compatible(log["trial_id"], name, distribution)
        except ValueError:
            if self._is_issued_by_this_worker(log):
                raise
            return
        trial.params[name] = distribution.to_external_repr(log["param_value_internal"])
        trial.distributions[name] = distribution

    def _check_compatible(self, trial_id: int, name: str, distribution: BaseDistribution) -> None:
        """Compare with the first trial of the study that has the parameter."""
        for first_id in self._study_id_to_trial_ids[self._trial_id_to_study_id[trial_id]]:
            known = self._trials[first_id].distributions.get(name)
            if known is None:
                continue
            if known is not distribution:
                check_distribution_compatibility(known, distribution)
            return

    def _apply_set_trial_state_values(self, log: dict[str, Any]) -> None:
        if self._writable(log) is not None:
            super()._apply_set_trial_state_values(log)

    def _apply_set_trial_intermediate_value(self, log: dict[str, Any]) -> None:
        trial = self._writable(log)
        if trial is not None:
            trial.intermediate_values[log["step"]] = log["intermediate_value"]

    def _apply_set_trial_user_attr(self, log: dict[str, Any]) -> None:
        trial = self._writable(log)
        if trial is not None:
            trial.user_attrs.update(log["user_attr"])

    def _apply_set_trial_system_attr(self, log: dict[str, Any]) -> None:
        trial = self._writable(log)
        if trial is not None:
            trial.system_attrs.update(log["system_attr"])


class QuickJournal(JournalStorage):
    """Optuna's journal storage with the replay above."""

    def _sync_with_backend(self) -> None:
        if not isinstance(self._replay_result, QuickReplay):  # nothing has been read yet
            self._replay_result = QuickReplay(self._worker_id_prefix)
        super()._sync_with_backend()

    def changed_trials(self, study_id: int, since: int) -> tuple[int, list[FrozenTrial]]:
        """Return how many records there are, and the trials changed after `since` of them."""
        with self._thread_lock:
            self._sync_with_backend()
            known = cast(QuickReplay, self._replay_result)
            return known.log_number_read, known.changed_trials(study_id, since)
