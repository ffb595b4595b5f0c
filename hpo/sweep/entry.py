"""How a command comes into its study: a new one, or the one that it continues."""

from __future__ import annotations

import logging

import optuna
from optuna.storages import BaseStorage

from commons.optuna_internals import storage_of, study_id
from hpo.attributes import APP, COMMAND, COMMAND_CODE
from hpo.launch.payload import Payload
from hpo.reporting.best import describe_app
from hpo.storage.folders import check_study_folder
from hpo.study.portions import study_lock
from hpo.study.provenance import changed, code_of, config_hash
from hpo.study.study import SweepSpec, existing_study, open_study
from hpo.sweep.first import default_config
from hpo.sweep.join import typed_command
from hpo.worker.template import Template

_log = logging.getLogger(__name__)


def enter(
    spec: SweepSpec, app: Payload, template: Template | None
) -> tuple[BaseStorage, int, bool]:
    """Create or load the study; return its storage, its id, and whether it is new.

    Raises:
        SettingError: the study or the folder is not the one of this command; nothing is created.
    """
    # First, and closed to others: a storage of the user's own may write its file there.
    spec.sweep_dir.mkdir(0o700, parents=True, exist_ok=True)
    known = existing_study(spec)
    check_study_folder(spec.sweep_dir, spec.study_name, known.user_attrs if known else None)
    with study_lock(spec.sweep_dir) as lock:
        storage = storage_of(known) if known else spec.open_storage()
        is_new = not _has_study(storage, spec.study_name)
        study = open_study(spec, storage, lock)
        loader, keys = app.context.config_loader, [*spec.space.distributions]
        described = describe_app(app.config, loader, spec.space.fixed, keys, spec.own_groups)
        study.set_user_attr(APP, described)
        if is_new or not spec.join:
            study.set_user_attr(COMMAND, typed_command(app))
        _note_code(study, spec, app, template)
    return storage, study_id(study), is_new


def _note_code(
    study: optuna.Study, spec: SweepSpec, app: Payload, template: Template | None
) -> None:
    """Record what this command runs with; say so if the last one had something else."""
    config = default_config(spec, app, template)
    left_out = [*spec.space.distributions, *spec.own_groups]
    now = {**code_of(app.function), "config": config_hash(config, left_out)}
    change = changed(study.user_attrs.get(COMMAND_CODE), now)
    if change is not None:
        _log.warning("study '%s' was run with %s", spec.study_name, change)
    study.set_user_attr(COMMAND_CODE, now)


def _has_study(storage: BaseStorage, name: str) -> bool:
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return True
