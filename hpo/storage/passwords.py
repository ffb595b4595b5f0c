"""Keep the password of a storage URL out of logs, folders and configuration dumps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]+)@")


def passwords(storage: Any) -> tuple[str, ...]:
    """Return the passwords in the URLs of a storage setting, be it text or a `_target_` node.

    >>> passwords("postgresql://me:secret@host/db")
    ('secret',)
    """
    return tuple(_PASSWORD.findall(str(storage)))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return the text with stars in place of passwords.

    >>> hide("storage=postgresql://me:secret@host/db", ["secret"])
    'storage=postgresql://me:***@host/db'
    """
    for secret in secrets:
        text = text.replace(f":{secret}@", ":***@")
    return text


def hide_in(config: DictConfig | ListConfig, secrets: tuple[str, ...]) -> None:
    """Replace passwords in every text of a configuration, in place; interpolated ones too."""
    if not secrets:
        return
    keys: list[Any] = [*config] if isinstance(config, DictConfig) else [*range(len(config))]
    for key in keys:
        try:
            value = config[key]
        except OmegaConfBaseException:  # ??? or an interpolation that has no value yet
            continue
        if isinstance(value, DictConfig | ListConfig):
            if not OmegaConf.is_interpolation(config, key):
                hide_in(value, secrets)
        elif isinstance(value, str) and hide(value, secrets) != value:
            with flag_override(config, "readonly", False):
                config[key] = hide(value, secrets)
