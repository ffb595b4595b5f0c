"""The keys of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf


def keys_of(config: DictConfig) -> list[str]:
    """Return the keys of an application's configuration, dotted, without Hydra's own.

    >>> keys_of(OmegaConf.create({"a": {"b": 1}, "c": None}))
    ['a', 'a.b', 'c']
    """
    return [key for key in _walk(config, "") if key.partition(".")[0] != "hydra"]


def _walk(config: Any, prefix: str) -> Iterator[str]:
    for key in config:
        yield f"{prefix}{key}"
        if OmegaConf.is_interpolation(config, key) or OmegaConf.is_missing(config, key):
            continue
        if isinstance(config[key], DictConfig):
            yield from _walk(config[key], f"{prefix}{key}.")
