"""Where the study of a sweep lives: a name and a folder that the same command finds again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from hpo.hydra_internals import marked_dates
from hpo.settings import study_name, told_by_typed_keys, typed_key

_log = logging.getLogger(__name__)
_SECTION = "hydra.sweeper"
_NAME, _FOLDER, _STORAGE = f"{_SECTION}.study_name", "hydra.sweep.dir", f"{_SECTION}.storage"
_MARK = "<date>"


def settle(config: DictConfig) -> dict[str, Any]:
    """Give a sweep a name and a folder that do not change; return the settings that follow them.

    A study without a name gets that of the job. A folder with a date in it, Hydra's default, would
    be another one for the next command: the parts with dates are left out. `config`, that of the
    sweep, is changed.

    Raises:
        SweepError: the name cannot be one.
    """
    HydraConfig.instance().set_config(config)  # a folder may contain ${hydra:runtime.cwd}
    dated = [key for key in (_NAME, _STORAGE) if _has_date(config, key)]
    _settle_name(config)
    if _has_date(config, _FOLDER):
        _settle_folder(config)
    elif dated:
        key = typed_key(config, _SECTION, dated[0].rpartition(".")[2])
        text = "%s has a date in it: the same command at another time begins another study"
        _log.warning(text, key)
    HydraConfig.instance().set_config(config)
    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    return {name: sweeper[name] for name in ("study_name", "storage")}


def _settle_name(config: DictConfig) -> None:
    name = OmegaConf.select(config, _NAME)
    if name is None:
        name = config.hydra.job.name
        # The key of the application too: the folder may be named after it.
        _set(config, typed_key(config, _SECTION, "study_name"), name)
    with told_by_typed_keys(config, _SECTION):
        name = study_name(name)
    _set(config, _NAME, name)


def _settle_folder(config: DictConfig) -> None:
    name = config.hydra.sweeper.study_name
    with marked_dates(_MARK):
        parts = Path(str(OmegaConf.select(config, _FOLDER))).parts
    kept = Path(*(part for part in parts if _MARK not in part))
    folder = kept if name in kept.parts else kept / name
    _set(config, _FOLDER, str(folder))
    text = "%s has a date in it; the study is in %s instead, where the same command finds it again"
    _log.info(text, _FOLDER, folder)


def _has_date(config: DictConfig, key: str) -> bool:
    with marked_dates(_MARK):
        return _MARK in str(OmegaConf.select(config, key))


def _set(config: DictConfig, key: str, value: Any) -> None:
    with read_write(config), read_write(config.hydra), open_dict(config):
        OmegaConf.update(config, key, value, force_add=True)
