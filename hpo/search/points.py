"""Points of a search space that a user names: trials that a study begins with.

    hpo.enqueue=[default,best.yaml,{optimizer.lr: 1e-3},outputs/sweeps/asha_bo]

`default` is the configuration's own value of each searched key. A file is a configuration, such as
the best.yaml of another sweep, or a mapping of searched keys, and so is a mapping. What a file or
a mapping leaves open is sampled. Another study stands for its best trials, see
`hpo.study.best_points`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import CategoricalDistribution, IntDistribution
from yaml import YAMLError

from commons.cli import did_you_mean
from commons.keys import keys_of
from commons.optuna_internals import contains
from hpo.attributes import DEFAULT
from hpo.hydra_internals import Transformer
from hpo.search.space import Space
from hpo.settings import SettingError

_log = logging.getLogger(__name__)
_ABSENT = object()
_STORABLE = (str, int, float, bool, type(None))
_NOT_SEARCHED = ("defaults", "hydra")  # keys of a primary configuration


@dataclass(frozen=True)
class Point:
    """Values of searched keys, not necessarily all of them.

    Attributes:
        source: where they are from: `default`, the name of a file, another study, or `given`.
        params: value by key, as Optuna stores it.
    """

    source: str
    params: dict[str, Any]


def read_points(
    entries: Sequence[Any], space: Space, config: DictConfig, *, only_inside: bool = False
) -> list[Point]:
    """Return the points of `hpo.enqueue`, each once.

    A default outside of its range is a point all the same, as long as Optuna can store it; this is
    said. Where it cannot (another choice, a text), the default is left out, which is said too.

    Args:
        entries: `default`, the name of a YAML file, a mapping, or a point of this space each.
        space: what is searched.
        config: the application's own, with Hydra's node.
        only_inside: the sampler knows no point outside of the space.

    Raises:
        SettingError: an entry has a value outside of the space, or an unknown key, or its file
            cannot be read.
    """
    found: list[Point] = []
    for entry in entries:
        if isinstance(entry, Point):
            point: Point | None = entry
        elif entry == DEFAULT:
            point = _default(space, config, only_inside)
        elif isinstance(entry, str):
            point = Point(Path(entry).name, _params(entry, _read(entry), space, config))
        elif isinstance(entry, Mapping):
            point = Point("given", _params("", entry, space, config))
        else:
            rule = (
                "{enqueue} must be a list of default, FILE.yaml, STUDY, {{key: value}}, got {!r}"
            )
            raise SettingError(rule, entry)
        if point is not None and point.params not in [known.params for known in found]:
            found.append(point)
    return found


def _default(space: Space, config: DictConfig, only_inside: bool) -> Point | None:
    params = {}
    for key, distribution in space.distributions.items():
        value = _own_value(key, config)
        try:
            if value is _ABSENT:
                raise ValueError("has no value in the configuration")
            params[key] = stored_value(space, key, value)
            is_inside = contains(distribution, params[key])
            if only_inside and not is_inside:
                raise ValueError(f"= {value} lies outside of the search space")
        except ValueError as error:
            _log.warning("the default is not among the trials: %s %s", key, error)
            return None
        if not is_inside:
            text = "the default of %s, %s, lies outside of the search space; it runs all the same"
            _log.warning(text, key, value)
    return Point(DEFAULT, params)


def _own_value(key: str, config: DictConfig) -> Any:
    """Return the value of a key, or the option of a group."""
    plain = key.lstrip("+~")
    choices = config.hydra.runtime.choices
    for group in (plain, plain.partition("@")[0]):
        if group in choices:
            return choices[group]
    return _select(config, plain.replace("/", "."))


def _select(config: Any, key: str) -> Any:
    try:
        value = OmegaConf.select(config, key, default=_ABSENT, throw_on_missing=True)
    except OmegaConfBaseException:
        return _ABSENT
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _read(name: str) -> Mapping[Any, Any]:
    try:
        read: Any = OmegaConf.to_container(OmegaConf.load(name))
    except (OSError, YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        lines = str(getattr(error, "strerror", None) or error).splitlines()
        raise SettingError("{enqueue}: {}: {}", name, lines[0]) from error
    if not isinstance(read, Mapping):
        raise SettingError("{enqueue}: {}: it holds no mapping of keys to values", name)
    return read


def _params(
    where: str, given: Mapping[Any, Any], space: Space, config: DictConfig
) -> dict[str, Any]:
    """Return the values of the searched keys in a mapping."""
    place = f"{where}: " if where else ""
    keys = {key.lstrip("+~"): key for key in space.distributions}
    params: dict[str, Any] = {}
    unknown = []
    for plain, value in _leaves(given, keys):
        key = keys.get(plain)
        if key is None:
            unknown.append(plain)
            continue
        try:
            params[key] = stored_value(space, key, value)
            if not contains(space.distributions[key], params[key]):
                raise ValueError(f"= {value} lies outside of the search space")
        except ValueError as error:
            raise SettingError("{enqueue}: {}{} {}", place, plain, error) from error
    if not ("defaults" in given and where):  # the configuration of some other command
        _check_keys(place, unknown, keys, keys_of(config) if where else ())
    if not params:
        raise SettingError("{enqueue}: {}none of the searched keys is in it", place)
    return params


def _check_keys(
    place: str, unknown: Sequence[str], keys: Iterable[str], allowed: Container[str]
) -> None:
    for key in unknown:
        if key not in allowed:
            near = did_you_mean(key, keys)
            raise SettingError("{enqueue}: {}{} is not searched{}", place, key, near)


def _leaves(
    given: Mapping[Any, Any], keys: Mapping[str, str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the values of a configuration by dotted key, and the options of its groups."""
    for name, value in given.items():
        if prefix == "" and name in _NOT_SEARCHED:
            continue
        key = f"{prefix}{name}".lstrip("+")
        if key not in keys and isinstance(value, Mapping):
            yield from _leaves(value, keys, f"{key}.")
        else:
            yield key, value
    options = given.get("defaults", []) if prefix == "" else []
    for option in options if isinstance(options, list) else []:
        for group, value in option.items() if isinstance(option, Mapping) else ():
            plain = str(group).removeprefix("override ").strip().lstrip("/")
            if plain in keys:
                yield plain, value


def stored_value(space: Space, key: str, value: Any) -> Any:
    """Return a value of a searched key as its trial stores it.

    >>> from optuna.distributions import FloatDistribution
    >>> space = Space({"x": FloatDistribution(0, 1), "n": IntDistribution(0, 9)})
    >>> stored_value(space, "x", 3), stored_value(space, "n", 2.0)
    (3.0, 2)

    Raises:
        ValueError: it cannot; the reason follows the name of the key.
    """
    distribution = space.distributions[key]
    if isinstance(distribution, CategoricalDistribution):
        return _choice(distribution, value, space.expressions.get(key, frozenset()))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"= {value!r} is not a number")
    if isinstance(distribution, IntDistribution):
        if value != int(value):
            raise ValueError(f"= {value!r} is not a whole number")
        return int(value)
    return float(value)


def _choice(distribution: CategoricalDistribution, value: Any, texts: Container[str]) -> Any:
    for choice in distribution.choices:
        if choice in texts:  # in override grammar
            if not isinstance(value, str) and Transformer.str(value) == choice:
                return choice
        elif isinstance(choice, bool) is isinstance(value, bool) and choice == value:
            return choice
    raise ValueError(f"= {value!r} is not among its choices {list(distribution.choices)}")


def given_points(entries: Sequence[Any]) -> list[Point]:
    """Return points of a space that only the objective knows.

    Raises:
        SettingError: an entry is no mapping of names to numbers, texts, truth values or None.
    """
    for entry in entries:
        is_mapping = isinstance(entry, Mapping) and bool(entry)
        if not is_mapping or not all(isinstance(v, _STORABLE) for v in entry.values()):
            rule = "{enqueue} must be a list of mappings such as {{'x': 1.5}}, got {!r}"
            raise SettingError(rule, entry)
    return [Point("given", dict(entry)) for entry in entries]
