"""Errors of composing and building, in one line each: the key, the reason, the remedy."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from commons.cli import did_you_mean
from commons.extras import importer, missing_module, remedy
from commons.keys import keys_of
from commons.terminal import one_line
from hpo.hydra_internals import Override, OverridesParser, group_options
from hpo.settings import SettingError
from hpo.worker.application import Application

_MAX_CHARACTERS = 300
_LOCATED = re.compile("^Error locating target '([^']+)'")  # of a node inside of the one to build


def reason(error: BaseException, target: str = "") -> str:
    """Return what has caused an error, in one line; `target` is what was to be built."""
    module = missing_module(error)
    if module is not None and not _is_installed(module):
        install = remedy(module, importer(error) or target)
        return f"the package {module.partition('.')[0]} is not installed: {install}"
    inner = _LOCATED.search(str(error))
    target = inner[1] if inner else target
    cause = error
    while _is_wrapping(cause) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, AttributeError | ImportError) and target:
        place, _, name = target.rpartition(".")
        return f"{target}: {place} has no {name}{_near(place, name)}"
    if isinstance(cause, OmegaConfBaseException):
        return first_line(cause)
    text = first_line(cause)
    return (
        text if isinstance(cause, ValueError | OSError | HydraException) else _named(cause, text)
    )


def _is_wrapping(error: BaseException) -> bool:
    return isinstance(error, ImportError) or type(error).__module__ == "hydra.errors"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return one_line(lines[0])[:_MAX_CHARACTERS]


def _named(error: BaseException, text: str) -> str:
    name = type(error).__name__
    return text if text == name else f"{name}: {text}"


def _is_installed(module: str) -> bool:
    root = module.partition(".")[0]
    with suppress(ValueError):  # a module without a specification is loaded
        return importlib.util.find_spec(root) is not None
    return True


def _near(place: str, name: str) -> str:
    return did_you_mean(name, dir(sys.modules[place])) if place in sys.modules else ""


def option_error(key: str, option: str, known: Sequence[str]) -> SettingError:
    """Return the error of a group option that does not exist."""
    shown = [name for name in known if not name.startswith("_")]
    near, offered = did_you_mean(option, shown), ", ".join(shown)
    return SettingError("{}={}: no such option{} (there are: {})", key, option, near, offered)


def key_error(
    application: Application, overrides: Sequence[str], error: BaseException
) -> SettingError:
    """Return the error of overrides that do not compose; it names the first one that is wrong."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    loader = application.context.config_loader
    options = {id(o): group_options(loader, o.key_or_group) for o in parsed}
    parsed.sort(key=lambda o: not options[id(o)])  # groups first: they bring the other keys
    for count, override in enumerate(parsed, 1):
        lines = [o.input_line or "" for o in parsed[:count]]
        try:
            application.compose(lines, 0)
        except (HydraException, OmegaConfBaseException) as own:
            before = application.compose(lines[:-1], 0)
            return _override_error(override, options[id(override)], before, own)
    return SettingError("{}", reason(error))


def _override_error(
    override: Override, options: Sequence[str], config: DictConfig, error: BaseException
) -> SettingError:
    key, value = override.key_or_group, override.value()
    if options and value not in options:
        return option_error(key, str(value), options)
    plain = key.replace("/", ".").partition("@")[0]
    if not override.is_add() and not _is_there(config, plain):
        near = did_you_mean(plain, keys_of(config))
        rule = "{}: no such key in the configuration{} (+{} adds a new one)"
        return SettingError(rule, key, near, key)
    return SettingError("{}={}: {}", key, override.get_value_string(), reason(error))


def _is_there(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    try:
        node = OmegaConf.select(config, parent) if parent else config
    except OmegaConfBaseException:
        return True  # something else is wrong with it
    if isinstance(node, ListConfig):
        return name.isdigit() and int(name) < len(node)
    return isinstance(node, DictConfig) and name in [str(key) for key in node]


@dataclass(frozen=True)
class Fault:
    """A value that cannot be read.

    Attributes:
        key: its key.
        text: why.
        is_certain: it is so on each machine, whatever a resolver says there.
        needs_resolver: no such resolver is registered yet; the application may still do that.
    """

    key: str
    text: str
    is_certain: bool = True
    needs_resolver: bool = False


def values_at_fault(config: DictConfig) -> Iterator[Fault]:
    """Yield the values that cannot be read: the application's, and what Hydra needs for a job."""
    for key in config:
        if key != "hydra":
            yield from _faults(config, config, key, str(key))
    for section in ("job", "sweep"):
        yield from _faults(config, config.hydra, section, f"hydra.{section}")


def _faults(root: DictConfig, parent: Any, key: Any, path: str) -> Iterator[Fault]:
    if OmegaConf.is_missing(parent, key):
        yield Fault(path, f"a value is needed (it is ???): give {path}=VALUE")
        return
    try:
        node = parent[key]
    except OmegaConfBaseException as error:
        is_certain = isinstance(error, InterpolationKeyError | InterpolationToMissingValueError)
        needs_resolver = isinstance(error, UnsupportedInterpolationType)
        yield Fault(path, _interpolation(root, parent, key, error), is_certain, needs_resolver)
        return
    if OmegaConf.is_interpolation(parent, key):
        return  # what it points to is looked at in its own place
    names: list[Any] = []
    if isinstance(node, DictConfig):
        names = [*node]
    elif isinstance(node, ListConfig):
        names = [*range(len(node))]
    for name in names:
        yield from _faults(root, node, name, f"{path}.{name}")


def _interpolation(
    root: DictConfig, parent: DictConfig | ListConfig, key: Any, error: OmegaConfBaseException
) -> str:
    text = first_line(error)
    if not isinstance(error, InterpolationKeyError):
        return text
    raw: Any = OmegaConf.to_container(parent, resolve=False)
    return text + did_you_mean(str(raw[key]).strip("${}"), keys_of(root))
