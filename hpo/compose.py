"""The configurations of the trials of a sweep, composed once and then varied.

Composing takes Hydra about 0.1 s of CPU time, as much as all else that a short trial costs. What
differs between trials are mostly plain values, which do not change what the configuration is made
of: then a copy with these values is the same, and costs a twentieth.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from contextlib import suppress

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_log = logging.getLogger(__name__)


class Composer:
    """Composes configurations that share their first overrides.

    Each process compares its first one with what Hydra itself makes. Where these differ, where a
    config group is searched, or a key is added or removed, Hydra composes every one.

    Args:
        loader: Hydra's.
        config: of the whole command.
        fixed: overrides that come first in all.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig, fixed: Sequence[str]) -> None:
        self._loader, self._config, self._fixed = loader, config, list(fixed)
        self._parser = OverridesParser.create()
        # What the copies are made of, by the keys that are varied; None: not to be used.
        self._common: dict[tuple[str, ...], DictConfig | None] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the configuration with these overrides, the fixed ones included."""
        keys = tuple(map(_key, overrides[len(self._fixed) :]))
        common = self._common.get(keys)
        if common is not None:
            with suppress(OmegaConfBaseException):  # Hydra says it better
                return self._by_copy(common, overrides)
        composed = self._by_hydra(overrides)
        if keys not in self._common:
            self._common[keys] = self._checked(composed, overrides)
        return composed

    def _checked(self, composed: DictConfig, overrides: Sequence[str]) -> DictConfig | None:
        """Return what can be varied from now on, if that gives the same."""
        try:
            varied = self._parser.parse_overrides(list(overrides[len(self._fixed) :]))
            if not all(map(self._is_plain, varied)):
                return None
            common = self._by_hydra(self._fixed)
            copied = self._by_copy(common, overrides)
        except Exception as error:  # noqa: BLE001 - Hydra's own answer is there
            _log.debug("every trial is composed anew: %s", error)
            return None
        return common if _content(copied) == _content(composed) else None

    def _by_hydra(self, overrides: Sequence[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._config, list(overrides))

    def _by_copy(self, common: DictConfig, overrides: Sequence[str]) -> DictConfig:
        config = copy.deepcopy(common)
        varied = list(overrides[len(self._fixed) :])
        for override in self._parser.parse_overrides(varied):
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        config.hydra.overrides.task.extend(varied)
        name = config.hydra.job.config.override_dirname
        task = [
            line for line in config.hydra.overrides.task if _key(line) not in name.exclude_keys
        ]
        dirname = name.item_sep.join(sorted(task)).replace("=", name.kv_sep)
        config.hydra.job.override_dirname = dirname
        OmegaConf.copy_cache(from_config=self._config, to_config=config)
        return config

    def _is_plain(self, override: Override) -> bool:
        return (
            override.type == OverrideType.CHANGE
            and override.package is None
            and not override.is_hydra_override()
            and not self._loader.get_group_options(override.key_or_group)
        )


def _key(line: str) -> str:
    return line.partition("=")[0].lstrip("+~").partition("@")[0]


def _content(config: DictConfig) -> object:
    return OmegaConf.to_container(config, resolve=False)
