"""Keep the password of a storage URL out of logs, folders and configuration dumps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

_VARIABLE = "HPO_STORAGE_PASSWORD"
_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]+)@")


def passwords(storage: Any) -> tuple[str, ...]:
    """Return the passwords in the URLs of a storage setting, text or a `_target_` node.

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


def without_passwords(spec: Any) -> Any:
    """Return a storage setting that may be written to disk, and keep its passwords elsewhere.

    They go to environment variables, which the workers of this command inherit, and the setting
    refers to these variables: the files of a job hold no secret.
    """
    for i, password in enumerate(passwords(spec)):
        os.environ[f"{_VARIABLE}_{i}"] = password
        spec = _replaced(spec, f":{password}@", f":${{oc.env:{_VARIABLE}_{i}}}@")
    return spec


def with_passwords(spec: Any) -> Any:
    """Return the setting that `without_passwords` was given."""
    if _VARIABLE not in str(spec):
        return spec
    config = OmegaConf.create({"storage": spec})
    return OmegaConf.to_container(config, resolve=True)["storage"]  # type: ignore[call-overload,index]


def stored_passwords() -> tuple[str, ...]:
    """Return the passwords that `without_passwords` has stored in this process tree."""
    return tuple(value for name, value in os.environ.items() if name.startswith(_VARIABLE))


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return value.replace(old, new) if isinstance(value, str) else value
