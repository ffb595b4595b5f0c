"""Configurations as YAML files: what OmegaConf writes, by libyaml; what repeats is cached."""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import OmegaConfDumper, get_omega_conf_dumper

_FastDumper = getattr(yaml, "CDumper", yaml.Dumper)


class _Dumper(_FastDumper):  # type: ignore[misc, valid-type]
    """Writes as OmegaConf's does."""


_Dumper.add_representer(str, OmegaConfDumper.str_representer)


def is_needed() -> bool:
    """Tell whether OmegaConf does without libyaml; from version 2.4 on it uses it itself."""
    return not issubclass(get_omega_conf_dumper(), _FastDumper)


def save(config: DictConfig, name: str, folder: Path) -> None:
    """Write the file `name` in `folder`, which need not exist."""
    content = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(_text(content), encoding="utf-8")


def _text(content: Any) -> str:
    """Return content as YAML. Most parts of Hydra's own node are those of the job before."""
    own = content.get("hydra") if isinstance(content, dict) and len(content) == 1 else None
    if not own or not isinstance(own, dict):
        return _dumped(content)
    return "hydra:\n" + "".join(_part(pickle.dumps({key: own[key]})) for key in own)


@lru_cache(maxsize=64)
def _part(of_hydra: bytes) -> str:
    return _dumped({"hydra": pickle.loads(of_hydra)}).partition("\n")[2]  # made above


def _dumped(content: Any) -> str:
    text: str = yaml.dump(
        content, None, _Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False
    )
    return text
