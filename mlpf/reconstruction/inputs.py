"""What the commands of this room are given: models, files of events, and where results go."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlpf.config import ConfigError


def model_of(cfg: DictConfig) -> str:
    """Return the path, or `pretrained`, that `run` or `model` names.

    Raises:
        ConfigError: none or both are given.
    """
    given = [str(cfg[key]) for key in ("run", "model") if cfg[key] is not None]
    if len(given) != 1:
        raise ConfigError("give run=DIR or model=FILE, one of them")
    return given[0]


def output_of(cfg: DictConfig, default: str = "") -> Path:
    """Return the file to write: `out`, or the file `default` in the folder `run`.

    Raises:
        ConfigError: none is named, or it exists already and may not be replaced.
    """
    if cfg.out is not None:
        out = Path(str(cfg.out))
    elif default and cfg.run is not None and Path(str(cfg.run)).is_dir():
        out = Path(str(cfg.run)) / default
    else:
        raise ConfigError("out=FILE is needed (see --help)")
    if out.is_dir() or (out.exists() and not cfg.overwrite):
        remedy = "take another name" if out.is_dir() else "overwrite=true replaces it"
        raise ConfigError(f"out={out}: exists already; {remedy}")
    return out


def one_of(key: str, value: Any, names: Iterable[str]) -> str:
    """Return `value`, one of `names`.

    Raises:
        ConfigError: it is none of them.
    """
    if value not in (known := list(names)):
        raise ConfigError(f"{key}={value}: need one of {', '.join(known)}")
    return str(value)


def threshold_of(cfg: DictConfig) -> float | None:
    """Return `p_none_max`, None if it is not given.

    Raises:
        ConfigError: it is no number in (0, 1].
    """
    value = cfg.p_none_max
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0.0 < value <= 1.0):
        raise ConfigError(f"p_none_max={value}: need a number in (0, 1]")
    return None if value is None else float(value)
