"""Beginning a study anew; the old one is kept beside."""

from __future__ import annotations

import logging
import sys
import time
from itertools import count
from pathlib import Path

import optuna
from optuna.trial import TrialState

from commons.locks import FileLock
from commons.optuna_internals import storage_of
from hpo.attributes import LAUNCH
from hpo.launch.slurm.site import Slurm
from hpo.settings import SettingError, study_name
from hpo.storage.folders import check_study_folder, holds_trials, owner_of
from hpo.storage.opening import storage_file
from hpo.study.observation import Observer
from hpo.study.study import SweepSpec, existing_study

_log = logging.getLogger(__name__)


def begin_anew(spec: SweepSpec, slurm: Slurm | None) -> None:
    """Put the study of a sweep and its folder aside, if its user confirms that.

    The folder gets the first free name of `FOLDER.1`, `FOLDER.2`, ..., and a journal in it comes
    along. In another storage the study becomes `NAME.1`.

    Raises:
        SettingError: it is not confirmed, somebody works on the study, or it is not the user's.
    """
    folder = spec.sweep_dir
    _check_name(spec)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.restart")):
        study = existing_study(spec)
        if study is None and owner_of(folder) is None and not holds_trials(folder):
            return  # there is nothing yet
        _check_folder(spec, study)
        if study is not None:
            _check_at_rest(spec, study, slurm)
        _confirm(spec, study)
        _put_aside(spec, study)


def _check_name(spec: SweepSpec) -> None:
    if spec.restart is True:
        if not sys.stdin.isatty():
            rule = "{restart}=true asks in a terminal, and there is none: write {restart}={}"
            raise SettingError(rule, spec.study_name)
    elif study_name(spec.restart) != spec.study_name:
        rule = "{restart}={}: the study is '{}'; its name confirms that it begins anew"
        raise SettingError(rule, spec.restart, spec.study_name)


def _check_folder(spec: SweepSpec, study: optuna.Study | None) -> None:
    owner = owner_of(spec.sweep_dir)
    is_left_behind = owner.study == spec.study_name if owner is not None else study is None
    if not is_left_behind:
        attributes = study.user_attrs if study else None
        check_study_folder(spec.sweep_dir, spec.study_name, attributes)
    if Path.cwd().is_relative_to(spec.sweep_dir):
        rule = "{restart}: the folder {} cannot be renamed, the command runs inside of it"
        raise SettingError(rule, spec.sweep_dir)


def _check_at_rest(spec: SweepSpec, study: optuna.Study, slurm: Slurm | None) -> None:
    rule = "{restart}: study '{}' is at work ({}); stop that first"
    launched = [value["job"] for key, value in study.user_attrs.items() if key.startswith(LAUNCH)]
    if launched and slurm is not None:
        queue = slurm.queue()
        jobs = launched if queue is None else [job for job in launched if job in queue]
        if jobs:
            unknown = "" if queue is not None else ", perhaps: squeue does not answer"
            raise SettingError(rule, spec.study_name, f"SLURM job {', '.join(jobs)}{unknown}")
    running = _alive(study, Observer(spec.lease_s))
    if running:
        raise SettingError(rule, spec.study_name, f"trial {', '.join(map(str, running))}")


def _alive(study: optuna.Study, observer: Observer) -> list[int]:
    """Return the trials that a worker has, as soon as that is known."""
    doubtful: frozenset[str] | None = None
    while True:
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        alive = [trial.number for trial in trials if not observer.is_abandoned(trial)]
        first, doubtful = doubtful is None, observer.doubtful(trials, doubtful)
        if not doubtful:
            return alive
        if first:
            text = "looking whether the workers of study '%s' are alive: up to %.0f s"
            _log.info(text, study.study_name, observer.duration_s)
        time.sleep(min(1.0, observer.duration_s / 10))


def _confirm(spec: SweepSpec, study: optuna.Study | None) -> None:
    if spec.restart is not True:
        return
    trials = study.get_trials(deepcopy=False) if study else []
    n_finished = sum(trial.state.is_finished() for trial in trials)
    question = f"begin study '{spec.study_name}' anew? {n_finished} finished trials stay beside"
    if input(f"{question}, in {spec.sweep_dir}.* [y/N] ").strip().lower() not in ("y", "yes"):
        raise SettingError("{restart}: not confirmed; nothing is changed")


def _put_aside(spec: SweepSpec, study: optuna.Study | None) -> None:
    name, folder = spec.study_name, spec.sweep_dir
    file = storage_file(spec.storage, folder)
    if file is not None and file.is_relative_to(folder):
        study = None  # comes along with the folder
    taken = {each.study_name for each in storage_of(study).get_all_studies()} if study else {name}
    suffix = next(
        f".{number}"
        for number in count(1)
        if f"{name}.{number}" not in taken and not Path(f"{folder}.{number}").exists()
    )
    if study is not None:
        storage = storage_of(study)
        optuna.copy_study(
            from_study_name=name,
            from_storage=storage,
            to_storage=storage,
            to_study_name=name + suffix,
        )
    if folder.exists():
        try:
            folder.rename(f"{folder}{suffix}")
        except OSError as error:
            rule = "{restart}: the folder {} cannot be renamed: {}"
            raise SettingError(rule, folder, error.strerror) from error
    if study is not None:
        optuna.delete_study(study_name=name, storage=storage_of(study))
    where = f"{folder}{suffix}" + ("" if study is None else f", as study '{name}{suffix}'")
    _log.info("study '%s' begins anew; the old one is kept in %s", name, where)
