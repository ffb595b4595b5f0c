"""Keep passwords, tokens and keys out of files, logs and job scripts.

A secret is the password of a URL, or what stands under a name such as `password`, `token` or
`api_key`: in a mapping, in the query of a URL or in a connection string. Secrets go to environment
variables, which the workers of a command inherit; what is written refers to these variables, or
has stars.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from hpo.settings import typed_key

_SECTION = "hydra.sweeper"
# Settings of a sweep that may hold secrets.
SETTINGS = ("storage", "add", "enqueue", "sampler", "pruner")
_VARIABLE = "HPO_SECRET"
_STARS = "***"
_NAME = r"[\w-]*(?:password|passwd|passphrase|pwd|secret|token|credential|(?:api|access)[_-]?key)"
# Of an application only these: a tokenizer may well have a `pad_token`, and a sort a `key`.
_NAME_IN_APP = re.compile(
    r"(?i:(.*[_-])?(password|passwd|passphrase|secret|(api|access|auth|secret|private)[_-]?(key|token)))"
    r"|(?i:token)|[A-Z0-9_]*_(TOKEN|KEY|SECRET|PASSWORD)"  # of environment variables
)
_NAME_IN_STORAGE = re.compile(rf"{_NAME}|(.*[_-])?key", re.IGNORECASE)
_IN_TEXT = re.compile(
    r"://[^:/@\s]*:(?P<url>[^@\s]+)@"
    rf"|\b{_NAME}\s*=\s*(?:'(?P<single>[^']+)'|\"(?P<double>[^\"]+)\"|(?P<plain>[^\s'\"&;,)}}\]]+))",
    re.IGNORECASE,
)
# A shorter secret may be a part of any word: it is only hidden where it is known to stand.
_LEAST_CHARACTERS = 6


def passwords(storage: Any) -> tuple[str, ...]:
    """Return the secrets of a storage setting, text or a `_target_` node.

    >>> passwords("postgresql://me:secret@host/db?sslpassword=hunter2")
    ('secret', 'hunter2')
    >>> passwords({"_target_": "mine.open", "connect_args": {"password": "hunter2"}})
    ('hunter2',)
    """
    found: dict[str, None] = {}
    _mapped(storage, lambda secret: str(found.setdefault(secret) or secret))
    return tuple(found)


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return the text with stars in place of secrets: these, and what looks like one.

    >>> hide("cannot open postgresql://me:secret@host/db for hunter2", ["hunter2"])
    'cannot open postgresql://me:***@host/db for ***'
    """
    return _starred(_in_text(text, lambda _: _STARS), secrets)


def _starred(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(f":{secret}@", f":{_STARS}@")
        for form in {secret, unquote(secret)}:
            if len(form) >= _LEAST_CHARACTERS:
                text = text.replace(form, _STARS)
    return text


def without_passwords(spec: Any) -> Any:
    """Return a storage setting that may be written to disk: it refers to environment variables."""
    return _mapped(spec, _reference)


def with_passwords(spec: Any) -> Any:
    """Return the setting that `without_passwords` was given."""
    if _VARIABLE not in str(spec):
        return spec
    config = OmegaConf.create({"storage": spec})
    return OmegaConf.to_container(config, resolve=True)["storage"]  # type: ignore[call-overload,index]


def stored_passwords() -> tuple[str, ...]:
    """Return the secrets that this process tree has put into environment variables."""
    return tuple(value for name, value in os.environ.items() if name.startswith(_VARIABLE))


class _HidingFactory:
    """Makes log records without secrets, those of their tracebacks included."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *arguments: Any, **options: Any) -> logging.LogRecord:
        record = self._make(*arguments, **options)
        if secrets := stored_passwords():
            if record.exc_info:
                text = logging.Formatter().formatException(record.exc_info)
                record.exc_text = _starred(text, secrets)
            with suppress(TypeError, ValueError):  # logging tells of a wrong format
                record.msg, record.args = _starred(record.getMessage(), secrets), None
        return record


def hide_in_logs() -> None:
    """Put stars in place of secrets in what this process logs from now on."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _HidingFactory):
        logging.setLogRecordFactory(_HidingFactory(make))


def is_secret_name(name: str) -> bool:
    """Tell whether an application or a shell that uses this name means a secret.

    >>> is_secret_name("HF_TOKEN"), is_secret_name("pad_token")
    (True, False)
    """
    return _NAME_IN_APP.fullmatch(name) is not None


def setting_keys(config: DictConfig) -> list[str]:
    """Return the keys of the settings that may hold secrets which an application does not need."""
    own = [f"{_SECTION}.{name}" for name in SETTINGS]
    return own + [typed_key(config, _SECTION, name) for name in SETTINGS]


def argument_without(argument: str, keys: Iterable[str]) -> str:
    """Return an override of the command line without secrets; `keys` are from `setting_keys`.

    It composes to the same configuration, except for these settings.
    """
    key, equals, value = argument.partition("=")
    path = key.lstrip("+")
    if any(path == name or path.startswith(f"{name}.") for name in keys):
        for secret in sorted(stored_passwords(), key=len, reverse=True):
            value = value.replace(secret, _STARS)
        return f"{key}{equals}{value}"
    name = "" if "(" in value else path.rpartition(".")[2]  # that of a sweep is no secret
    value = _hidden(name, value, value, (), stored_passwords())
    return f"{key}{equals}{value}"


def hide_in(config: DictConfig) -> None:
    """Take the secrets out of the configuration of a sweep or a trial, in place.

    What the application names as a secret becomes a reference to an environment variable, with
    the same value. The secrets of the sweep's own settings become stars wherever they are.
    """
    keys = setting_keys(config)
    unneeded = [secret for key in keys for secret in _hide_setting(config, key)]
    _refer_in(config, unneeded)
    job, overrides = config.hydra.job, config.hydra.overrides
    with flag_override(config.hydra, "readonly", False):
        for given in (overrides.task, overrides.hydra):
            for i, argument in enumerate(_raw(given)):
                hidden = argument_without(argument, keys)
                if hidden != argument:
                    dirname = _raw(job)["override_dirname"]
                    job.override_dirname = dirname.replace(argument, hidden)
                    given[i] = hidden
    _refer_in(config, unneeded)  # again: a text may hold what was found after it


def _raw(config: DictConfig | ListConfig) -> Any:
    """Return the content without resolving anything: overrides may hold interpolations."""
    return OmegaConf.to_container(config, resolve=False)


def _hide_setting(config: DictConfig, key: str) -> tuple[str, ...]:
    value = OmegaConf.select(config, key)
    plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    without_passwords(plain)
    hidden = _mapped(plain, lambda _: _STARS)
    if hidden != plain:
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        with flag_override(node, "readonly", False):
            node[name] = hidden
    return passwords(plain)


def _refer_in(config: DictConfig, unneeded: Sequence[str]) -> None:
    _hide_in(config, OmegaConf.to_container(config), unneeded, stored_passwords())


def _hide_in(
    config: DictConfig | ListConfig, raw: Any, unneeded: Sequence[str], stored: Sequence[str]
) -> None:
    for key, plain in raw.items() if isinstance(raw, dict) else enumerate(raw):
        if isinstance(plain, dict | list):
            _hide_in(config[key], plain, unneeded, stored)
        elif isinstance(plain, str):
            # Resolving is slow, and only what the sweep does not need is looked for in a value.
            value = _resolved(config, key) if unneeded and "${" in plain else plain
            if value is None or plain == MISSING:
                continue
            hidden = _hidden(str(key), value, plain, unneeded, stored)
            if hidden != plain:
                with flag_override(config, "readonly", False):
                    config[key] = hidden


def _resolved(config: DictConfig | ListConfig, key: Any) -> str | None:
    """Return the text of an interpolation; None for another value, or none yet."""
    try:
        value = config[key]
    except OmegaConfBaseException:
        return None
    return value if isinstance(value, str) else None


def _hidden(key: str, value: str, raw: str, unneeded: Sequence[str], stored: Sequence[str]) -> str:
    """Return what takes the place of a text; `raw` has its interpolations."""
    starred = value
    for secret in unneeded:
        starred = starred.replace(f":{secret}@", f":{_STARS}@")
    if starred != value:
        return starred
    if raw and "${" not in raw and raw != _STARS and is_secret_name(key):
        return _reference(raw)
    for secret in stored:
        if len(secret) >= _LEAST_CHARACTERS:
            raw = raw.replace(secret, _reference(secret))
    return raw


def _reference(secret: str) -> str:
    """Put a secret into an environment variable; return the interpolation that reads it."""
    known = {value: name for name, value in os.environ.items() if name.startswith(_VARIABLE)}
    name = known.get(secret, f"{_VARIABLE}_{len(known)}")
    os.environ[name] = secret
    return f"${{oc.env:{name}}}"


def _mapped(value: Any, change: Callable[[str], str], *, secret: bool = False) -> Any:
    """Return a setting with each secret changed; `secret`: every text and number in it is one."""
    if isinstance(value, Mapping):
        return {
            key: _mapped(item, change, secret=secret or bool(_NAME_IN_STORAGE.fullmatch(str(key))))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mapped(item, change, secret=secret) for item in value]
    if secret and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return value if _is_reference(str(value)) else change(str(value))
    return _in_text(value, change) if isinstance(value, str) else value


def _in_text(text: str, change: Callable[[str], str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        group = match.lastgroup or ""
        if _is_reference(match[group]):
            return match[0]
        begin, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:begin] + change(match[group]) + match[0][end:]

    return _IN_TEXT.sub(replaced, text)


def _is_reference(text: str) -> bool:
    return text.startswith(("${", _STARS))
