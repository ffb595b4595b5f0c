"""The configurations of trials by copying one that Hydra has composed, and setting keys in it.

Hydra composes a configuration in 50 to 120 ms, copies of one take 1 to 3 ms. After its files are
merged, Hydra sets the overridden keys one after the other; so `Template` has what the overrides
of all trials make, and sets those of one trial with Hydra's own function. What changes more than
its own key (a group, a package, a key that is added or deleted, `hydra.*`) is left to Hydra. The
command compares two points with what Hydra composes before it trusts a template.
"""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hpo.hydra_internals import ConfigLoader, is_group, plain_key, set_keys
from hpo.storage.passwords import argument_without, setting_keys

_log = logging.getLogger(__name__)


class Template:
    """Makes the configurations of trials.

    Args:
        config: composed with the overrides that all trials share; it is changed no more.
        fixed: these overrides.
        keys: what may be set in a copy.
    """

    def __init__(self, config: DictConfig, fixed: Sequence[str], keys: Iterable[str]) -> None:
        self._fixed, self._keys = tuple(fixed), frozenset(keys)
        self._settings = setting_keys(config)
        # Classes are kept as they are: Hydra imports plug-ins twice, and pickle would look for a
        # class under its name and find another one.
        self._kept: list[type] = []
        with io.BytesIO() as stream:
            _Pickler(stream, self._kept).dump(config)
            self._bytes = stream.getvalue()

    def filled(self, overrides: Sequence[str]) -> DictConfig | None:
        """Return the configuration of a trial; None: only Hydra can compose it."""
        n_fixed = len(self._fixed)
        own = [*overrides[n_fixed:]]
        if tuple(overrides[:n_fixed]) != self._fixed or not all(map(self._takes, own)):
            return None
        config: DictConfig = _Unpickler(io.BytesIO(self._bytes), self._kept).load()
        set_keys(config, own)
        return config

    def _takes(self, override: str) -> bool:
        is_open = argument_without(override, self._settings) == override  # no secret is in it
        return is_open and plain_key(override) in self._keys


def make_template(
    compose: Callable[[list[str]], DictConfig],
    loader: ConfigLoader,
    fixed: Sequence[str],
    points: Sequence[Sequence[str]],
) -> Template | None:
    """Return a template that gives what Hydra composes; None: there is none for these trials.

    Args:
        compose: returns what Hydra composes for overrides.
        loader: knows the groups of the application.
        fixed: overrides that all trials share.
        points: overrides of trials, at which both are compared; they begin with the fixed ones.
    """
    own = [line for point in points for line in point[len(fixed) :]]
    keys = {plain_key(line) for line in own}
    if None in keys or any(is_group(loader, str(key)) for key in keys):
        return None
    try:
        template = Template(compose([*fixed]), fixed, map(str, keys))
        wrong = next((each for each in points if not _is_equal(template, compose, each)), None)
    except (HydraException, OmegaConfBaseException, pickle.PicklingError, TypeError) as error:
        _log.debug("no template: %s", error)
        return None
    if wrong is not None:
        text = "Hydra composes each trial anew, since keys set in a copy give another result: %s"
        _log.info(text, " ".join(wrong))
        return None
    return template


def _is_equal(
    template: Template, compose: Callable[[list[str]], DictConfig], point: Sequence[str]
) -> bool:
    filled = template.filled(point)
    return filled is None or _content(filled) == _content(compose([*point]))


def _content(config: DictConfig) -> str:
    """Return all values with their types and order; interpolations stay as they are."""
    return repr(OmegaConf.to_container(config, resolve=False))


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, kept: list[type]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._kept = kept

    def persistent_id(self, value: Any) -> int | None:
        if not isinstance(value, type):
            return None
        if value not in self._kept:
            self._kept.append(value)
        return self._kept.index(value)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, kept: list[type]) -> None:
        super().__init__(stream)
        self._kept = kept

    def persistent_load(self, number: int) -> type:
        return self._kept[number]
