"""Sampler and pruner of a sweep: a node with another `_target_` replaces the default one.

Hydra merges what a user gives with the option of the config group: `{_target_: MyPruner}` gets the
arguments of the default pruner too. So the configuration is composed again without these options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from hpo.hydra_internals import ConfigLoader, compose, make_parser, plain_option
from hpo.settings import is_among, typed_key

_SECTION = "hydra.sweeper"
KINDS = ("sampler", "pruner")


def replace_parts(config: DictConfig, context: HydraContext) -> dict[str, Any]:
    """Put the user's own nodes in the place of merged ones; return the settings that changed.

    A node whose `_target_` is that of the chosen option is still merged with it, and so is one
    without `_target_`. The same holds for nodes inside. `config`, that of the sweep, is changed.
    """
    HydraConfig.instance().set_config(config)  # a node may contain ${hydra:runtime.cwd}
    loader = context.config_loader
    options = {kind: _options(config, kind) for kind in KINDS}
    defaults = _defaults(loader, options)
    changed: dict[str, Any] = {}
    for kind in KINDS:
        key = typed_key(config, _SECTION, kind)
        merged, default = _node(config, key), defaults.get(kind)
        if _is_replaced(merged, default):
            own = _node(_composed_without(config, loader, options[kind], kind), key)
            changed[kind] = _set(config, kind, key, settled(merged, default, own))
    return changed


def settled(merged: Any, default: Any, own: Any) -> Any:
    """Return a node without the keys of a default that has another `_target_`.

    >>> default = {"_target_": "A", "a": 1, "b": {"_target_": "B", "c": 2}}
    >>> settled(default | {"_target_": "X", "d": 4}, default, {"_target_": "X", "d": 4})
    {'_target_': 'X', 'd': 4}
    >>> settled(default | {"a": 3}, default, {"a": 3})
    {'_target_': 'A', 'a': 3, 'b': {'_target_': 'B', 'c': 2}}

    Args:
        merged: the node that Hydra has composed.
        default: the option of the config group.
        own: what is given apart from it.
    """
    if not all(isinstance(node, Mapping) for node in (merged, default, own)):
        return merged
    if own.get("_target_", default.get("_target_")) != default.get("_target_"):
        return own
    return {key: settled(each, default.get(key), own.get(key)) for key, each in merged.items()}


def _is_replaced(merged: Any, default: Any) -> bool:
    if not isinstance(merged, Mapping) or not isinstance(default, Mapping):
        return False
    if "_target_" in default and merged.get("_target_") != default["_target_"]:
        return True
    return any(_is_replaced(merged.get(key), each) for key, each in default.items())


def _options(config: DictConfig, kind: str) -> list[tuple[str, str]]:
    """Return the groups of a kind and their chosen options, the application's own group first."""
    own = [_SECTION.replace(".", "/"), *(config.hydra.sweeper.get("own_groups") or [])]
    found = [
        (group, name)
        for group, name in config.hydra.runtime.choices.items()
        if group.partition("@")[0].endswith(f"/{kind}") and isinstance(name, str)
        if is_among(group, own) or _place(group) == typed_key(config, _SECTION, kind)
    ]
    # An option may extend another one at its own place, which goes with it.
    found.sort(key=lambda pair: "@" not in pair[0])
    outer = {_place(group): (group, name) for group, name in found}
    return sorted(outer.values(), key=lambda pair: pair[0].startswith("hydra/"))


def _place(group: str) -> str:
    path, _, package = group.partition("@")
    return package or path.replace("/", ".")


def _defaults(
    loader: ConfigLoader, options: Mapping[str, list[tuple[str, str]]]
) -> dict[str, Any]:
    """Return the node of the first option of each kind."""
    first = {kind: pairs[0] for kind, pairs in options.items() if pairs}
    plain = {kind: plain_option(loader, *pair) for kind, pair in first.items()}
    if None not in plain.values():  # Hydra would take a tenth of a second
        return plain
    whole = _composed_alone(loader, [pair for pairs in options.values() for pair in pairs])
    return {kind: _node(whole, _place(group)) for kind, (group, _) in first.items()}


def _composed_alone(loader: ConfigLoader, options: Iterable[tuple[str, str]]) -> DictConfig:
    chosen = [
        f"{'' if group.startswith('hydra/') else '+'}{group}={name}" for group, name in options
    ]
    return compose(loader, None, ["hydra/sweeper=optuna_async", *chosen])


def _composed_without(
    config: DictConfig, loader: ConfigLoader, options: list[tuple[str, str]], kind: str
) -> DictConfig:
    groups = [group for group, _ in options]
    places = [f"{_SECTION}.{kind}", *map(_place, groups)]
    parser, lines = make_parser(), []
    for line in [*config.hydra.overrides.hydra, *config.hydra.overrides.task]:
        override = parser.parse_override(line)
        key = override.get_key_element().lstrip("+~")
        if is_among(key.replace("/", "."), places):
            if key in groups or override.is_delete():
                continue
            line = f"++{line.lstrip('+')}"  # the keys of the option are not there
        lines.append(line)
    return compose(loader, config.hydra.job.config_name, [*lines, *(f"~{g}" for g in groups)])


def _node(config: DictConfig, key: str) -> Any:
    node = OmegaConf.select(config, key)
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else None


def _set(config: DictConfig, kind: str, key: str, node: Any) -> Any:
    with read_write(config), read_write(config.hydra), open_dict(config):
        OmegaConf.update(config, key, node, merge=False, force_add=True)
    return OmegaConf.to_container(OmegaConf.select(config, f"{_SECTION}.{kind}"), resolve=True)
