"""A sampler for each trial, with a seed of its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from zlib import crc32

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler, QMCSampler

from commons.per_study import hand_on
from hpo.hydra_internals import instantiate
from hpo.search.diverse import DiverseSampler
from hpo.search.finite import Space, check_finite, check_grid, is_small, points
from hpo.settings import SettingError

_SIMPLE = (int, float, type(None))


def build(node: Mapping[str, Any]) -> Any:
    """Return the sampler or pruner of a `_target_` node; the user knows which are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if (plain := _plain_sampler(node)) is not None:
            return plain
        return instantiate({"_convert_": "all", **node})


def _plain_sampler(node: Mapping[str, Any]) -> BaseSampler | None:
    """Return a sampler that has only numbers as arguments; None: it has others.

    Hydra makes the same in .7 ms, and every trial has a sampler of its own.
    """
    arguments = {key: value for key, value in node.items() if key != "_target_"}
    simple = all(isinstance(value, _SIMPLE) for value in arguments.values())
    kind = _kind(node)
    if not simple or not issubclass(kind, BaseSampler) or any(k[0] == "_" for k in arguments):
        return None
    try:
        return kind(**arguments)
    except Exception:  # noqa: BLE001 - Hydra says what was wrong
        return None


def make_sampler(
    config: Mapping[str, Any] | None, trial_number: int
) -> tuple[BaseSampler, int | None]:
    """Return the sampler of one trial, by default Optuna's, and its seed.

    A configured seed is combined with the number of the trial, also one of a sampler inside: so
    workers draw different points, and random search draws the same ones for any number of workers.
    A grid and a quasi-random sequence keep their seed, as all trials together go through them.
    """
    if config is None:
        return optuna.samplers.TPESampler(), None
    node = _reseeded(config, trial_number)
    return build(node), node.get("seed")


def takes_turns(sampler: BaseSampler, space: Space) -> bool:
    """Tell whether the workers of a sampler repeat points if they ask it at the same time.

    Args:
        sampler: of a trial.
        space: distribution by key.
    """
    visits_all = isinstance(sampler, BruteForceSampler | GridSampler | QMCSampler)
    return visits_all or (isinstance(sampler, DiverseSampler) and is_small(space))


class Samplers:
    """The samplers of one study's trials, each with a seed of its own.

    Each is made anew, so its proposal depends on the study and the number of its trial only, for
    any number of workers. What a sampler has found out about finished trials is handed on to the
    next one.

    Args:
        config: `_target_` node; None: Optuna's default.
    """

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self._config = config
        self._last: BaseSampler | None = None

    def of(self, trial_number: int) -> tuple[BaseSampler, int | None]:
        """Do as `make_sampler`; the sampler of the trial before must not be used any more."""
        sampler, seed = make_sampler(self._config, trial_number)
        if self._last is not None:
            hand_on(self._last, sampler)
        self._last = sampler
        return sampler, seed


def complete(node: Any, space: Space, study_name: str, *, more: bool = False) -> Any:
    """Return the checked node of a sampler with what all of its workers must agree on.

    That is the points of a grid, if the node has no `search_space`, and the seed of a
    quasi-random sequence, if it has none.

    Args:
        node: `_target_` node or None.
        space: distribution by key.
        study_name: gives the seed.
        more: whether trials have keys that are not in `space`.

    Raises:
        SettingError: a sampler that visits all points cannot search this space.
    """
    kind = object if node is None else _kind(node)
    if issubclass(kind, QMCSampler) and node.get("seed") is None:
        return {**node, "seed": crc32(study_name.encode())}
    if issubclass(kind, BruteForceSampler):
        check_finite(space)
        if more:
            rule = "{sampler}: it needs all keys in {params}, and not {custom_search_space}"
            raise SettingError(rule)
    if issubclass(kind, GridSampler):
        if node.get("search_space") is None:
            check_finite(space)
            return {**node, "search_space": {key: points(each) for key, each in space.items()}}
        check_grid(node["search_space"], space, more=more)
    return node


def _reseeded(node: Any, trial_number: int) -> Any:
    if isinstance(node, list):
        return [_reseeded(each, trial_number) for each in node]
    if not isinstance(node, Mapping):
        return node
    parts = {key: _reseeded(each, trial_number) for key, each in node.items()}
    seed = parts.get("seed") if "_target_" in parts else None
    if seed is not None and not issubclass(_kind(parts), GridSampler | QMCSampler):
        state = np.random.SeedSequence([int(seed), trial_number]).generate_state(1)
        parts["seed"] = int(state[0])
    return parts


def _kind(node: Mapping[str, Any]) -> type[Any]:
    place, _, name = str(node.get("_target_")).rpartition(".")
    try:  # not by Hydra, which would log what `build` tells
        found = getattr(import_module(place), name, object)
    except (ImportError, ValueError):
        return object
    return found if isinstance(found, type) else object
