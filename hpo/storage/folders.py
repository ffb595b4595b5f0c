"""Whose folder it is: a sweep folder belongs to one study, a trial folder to one of its trials.

Each holds a small record of its owner. In the folder of another owner nothing is begun: a training
would go on from the checkpoint of a stranger, and replace its results.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from commons.files import write_json
from hpo.attributes import FOLDER, STUDY_ID, stored
from hpo.settings import SettingError
from hpo.storage.copying import appearing, copy_folder

RECORD = "owner.json"
CHECKPOINT = "checkpoint"  # in the folder of a trial
# What a child does not get of its parent's folder: the record, Hydra's files of the run, logs,
# values that wait to be stored, and files that are just being written.
_NOT_INHERITED = (RECORD, ".hydra", "*.log", "*.held", ".*.partial")
_PUT_ASIDE = (
    ": choose another hydra.sweep.dir, or {restart}={} puts this one aside and begins anew"
)


class FolderTakenError(ValueError):
    """A folder belongs to another study or trial."""


@dataclass(frozen=True)
class Owner:
    """Who has a folder.

    Attributes:
        study: its name when the folder was taken.
        study_id: unique, kept in the study's attributes.
        trial: its number; None: the folder is that of the whole study.
    """

    study: str
    study_id: str
    trial: int | None = None

    def __str__(self) -> str:
        """Return the owner as part of a message."""
        trial = "" if self.trial is None else f"trial {self.trial} of "
        return f"{trial}study '{self.study}'"


def owner_of(folder: Path) -> Owner | None:
    """Return the owner of a folder; None: it has no record.

    Raises:
        FolderTakenError: the record cannot be read.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        study, study_id, trial = (record.get(key) for key in ("study", "study_id", "trial"))
        return Owner(str(study), str(study_id), None if trial is None else int(trial))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        rule = f"{folder / RECORD} does not say whose folder this is ({error})"
        raise FolderTakenError(rule) from error


def holds_trials(folder: Path) -> bool:
    """Tell whether trials have folders in this one."""
    trials = folder / "trials"
    return trials.is_dir() and any(trials.iterdir())


def check_study_folder(folder: Path, name: str, attributes: Mapping[str, Any] | None) -> None:
    """Check that a sweep folder is free or the study's own, and the only one of the study.

    Args:
        folder: absolute.
        name: of the study.
        attributes: user attributes of the study; None: there is no such study yet.

    Raises:
        SettingError: it is not.
    """
    known = stored(attributes or {}, STUDY_ID)
    owner = owner_of(folder)
    if owner is not None and owner.study_id == known:
        return
    if owner is not None and owner.study != name:
        rule = "the folder {} belongs to {}: choose another hydra.sweep.dir for '{}'"
        raise SettingError(rule + ", best with the study's name in it", folder, owner, name)
    if owner is not None:
        rule = "the folder {} belongs to an earlier study '{}', which is no longer in the storage"
        raise SettingError(rule + _PUT_ASIDE, folder, name, name)
    if attributes is None and holds_trials(folder):
        rule = "the folder {} holds trials, but its storage no study '{}'"
        raise SettingError(rule + _PUT_ASIDE, folder, name, name)
    home = Path(stored(attributes or {}, FOLDER, folder))
    if known is not None and home != folder and _has(home, known):
        rule = "the study '{}' is in the folder {}: use hydra.sweep.dir={} or another {study_name}"
        raise SettingError(rule, name, home, home)


def claim_study_folder(folder: Path, study: optuna.Study) -> None:
    """Make a folder the one of this study, as `check_study_folder` allows it; hold its lock.

    Raises:
        SettingError: it cannot be.
    """
    attributes = study.user_attrs
    check_study_folder(folder, study.study_name, attributes)
    if attributes.get(FOLDER) != str(folder):
        study.set_user_attr(FOLDER, str(folder))
    if owner_of(folder) is None:
        _record(folder, Owner(study.study_name, identify(study)))


def identify(study: optuna.Study) -> str:
    """Return the unique id of a study, which gets one if it has none; hold its lock."""
    known = stored(study.user_attrs, STUDY_ID)
    if known is None:
        known = uuid.uuid4().hex
        study.set_user_attr(STUDY_ID, known)
    return str(known)


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study, where its trials have theirs."""

    path: Path
    study: str
    study_id: str

    def check(self) -> None:
        """Raise FolderTakenError if another study has it."""
        owner = owner_of(self.path)
        if owner is not None and owner.study_id != self.study_id:
            raise FolderTakenError(
                f"the folder {self.path} belongs to another {owner}, perhaps an earlier one: "
                "rename it or choose another folder"
            )

    def of(self, number: int) -> Path:
        """Return the folder of a trial, which need not exist."""
        return self.path / "trials" / f"{number:04d}"

    def take(self, number: int, *, is_begun: bool = False, parent: int | None = None) -> Path:
        """Return the folder of a trial, made and recorded if needed.

        Args:
            number: of the trial.
            is_begun: an earlier version may have begun the trial there, without a record.
            parent: the trial whose files a new folder holds, except for its logs.

        Raises:
            FolderTakenError: it belongs to another trial.
        """
        folder = self.of(number)
        owner, present = Owner(self.study, self.study_id, number), owner_of(folder)
        if present is None and not is_begun and folder.is_dir() and any(folder.iterdir()):
            raise FolderTakenError(f"the folder {folder} holds files, but not of {owner}")
        if present is None:
            self._take_whole()
            if parent is not None and not folder.is_dir():
                self._inherit(folder, owner, parent)
            else:
                _record(folder, owner)
        elif (present.study_id, present.trial) != (self.study_id, number):
            raise FolderTakenError(f"the folder {folder} belongs to {present}, not to {owner}")
        return folder

    def _inherit(self, folder: Path, owner: Owner, parent: int) -> None:
        source = self.of(parent)
        heir_of = owner_of(source)
        with appearing(folder) as partial:
            if heir_of is not None and heir_of == replace(owner, trial=parent):
                copy_folder(source, partial, _NOT_INHERITED)
            _record(partial, owner)

    def put_aside(self, number: int) -> Path | None:
        """Rename the folder of a trial that begins now; return its new path.

        Its files, if there are any, are of a run that an older copy of the storage does not know,
        with other parameters. None: there is nothing of this trial.
        """
        folder = self.of(number)
        owner = owner_of(folder)
        if owner is None or (owner.study_id, owner.trial) != (self.study_id, number):
            return None
        names = (folder.with_name(f"{folder.name}.lost-{n}") for n in itertools.count(1))
        aside = next(name for name in names if not name.exists())
        return folder.rename(aside)

    def _take_whole(self) -> None:
        self.check()
        if owner_of(self.path) is None:
            _record(self.path, Owner(self.study, self.study_id))


def _record(folder: Path, owner: Owner) -> None:
    record = {key: value for key, value in asdict(owner).items() if value is not None}
    write_json(folder / RECORD, record)


def _has(folder: Path, study_id: str) -> bool:
    owner = owner_of(folder)
    return owner is not None and owner.study_id == study_id
