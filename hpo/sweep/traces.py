"""What a command has created for a study that does not begin is taken back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.trial import TrialState

from hpo.attributes import LAUNCH, WORKER, own_trials
from hpo.storage.folders import RECORD
from hpo.study.lease import was_started
from hpo.study.portions import study_lock
from hpo.study.study import SweepSpec


class Traces:
    """The folders of a sweep that did not exist before its command."""

    def __init__(self, folder: Path) -> None:
        self._new = [place for place in (folder, *folder.parents) if not place.exists()]

    def take_back(self) -> None:
        """Remove those that are empty."""
        for folder in self._new:
            with suppress(OSError):  # something is in it, or another command has removed it
                folder.rmdir()


def withdraw(spec: SweepSpec, storage: BaseStorage, study_id: int) -> bool:
    """Delete a study that this command has just created, unless others already work on it.

    Returns whether it was deleted; then its journal is deleted too, if it holds no other study.
    """
    with study_lock(spec.sweep_dir):
        attributes = storage.get_study_user_attrs(study_id)
        trials = storage.get_all_trials(study_id, deepcopy=False)
        if any(key.startswith((LAUNCH, WORKER)) for key in attributes) or any(
            trial.state != TrialState.WAITING or was_started(trial) for trial in own_trials(trials)
        ):
            return False
        storage.delete_study(study_id)
        if spec.storage is None and not storage.get_all_studies():
            (spec.sweep_dir / "journal.log").unlink()
    for name in ("multirun.yaml", RECORD):
        (spec.sweep_dir / name).unlink(missing_ok=True)
    return True
