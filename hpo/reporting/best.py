"""The best trial as a primary configuration: `--config-dir <sweep folder> --config-name best`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import DictConfig

from hpo.hydra_internals import ConfigLoader, Override, OverridesParser, group_options
from hpo.settings import is_among


def describe_app(
    config: DictConfig,
    loader: ConfigLoader,
    fixed: Sequence[str],
    searched: Sequence[str],
    own_groups: Sequence[str],
) -> dict[str, Any]:
    """Return what `best_config` must know of an application, to be stored with the study.

    `fixed` are the overrides of every trial, `searched` the keys that differ between trials. The
    best configuration lacks the `own_groups`, which only set up the sweep.
    """
    varied = [f"{name}=null" for name in searched]
    keys = [override.key_or_group for override in _kept([*fixed, *varied], own_groups)]
    return {
        "config_name": config.hydra.job.config_name,
        "searchpath": list(config.hydra.searchpath),
        "groups": [key for key in keys if group_options(loader, key)],
        "own_groups": list(own_groups),
    }


def best_config(app: Mapping[str, Any], overrides: Sequence[str], comment: str) -> str:
    """Return YAML that composes to the configuration of a trial, without the sweep around it.

    `app` is from `describe_app`, `overrides` are those of the trial.
    """
    defaults: list[Any] = [app["config_name"]] if app["config_name"] else []
    values: dict[str, Any] = {}
    impossible = []
    for override in _kept(overrides, app.get("own_groups", ())):
        path = override.key_or_group.split(".")
        if override.is_delete() or any(part.isdigit() for part in path):  # an element of a list
            impossible.append(override.input_line)
        elif override.key_or_group in app["groups"]:
            key = override.get_key_element().lstrip("+")
            defaults.append({key if override.is_add() else f"override {key}": override.value()})
        else:
            _set(values, path, override.value())
    defaults.append("_self_")
    hydra: dict[str, Any] = {"searchpath": app["searchpath"]} if app["searchpath"] else {}
    hydra["mode"] = "RUN"  # also where the application's own files say that it sweeps
    whole = {"defaults": defaults, "hydra": hydra, **values}
    note = f"# To be added on the command line: {' '.join(map(str, impossible))}\n"
    return f"# {comment}\n{note if impossible else ''}{yaml.safe_dump(whole, sort_keys=False)}"


def _kept(overrides: Sequence[str], own_groups: Sequence[str]) -> list[Override]:
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [override for override in parsed if not is_among(override.key_or_group, own_groups)]


def _set(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value
