"""What a resumed training must have in common with its beginning, and what is told otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mlpf.config import ConfigError
from mlpf.network.saved import CONFIG, read_checkpoint
from mlpf.training.checkpoint import writing

log = logging.getLogger(__name__)

_SAME: Final = ("data", "model", "loss", "optimizer", "scheduler", "seed", "objective", "trainer")
# Where, how long and how visibly it trains, and what it returns.
_MAY_DIFFER: Final = {
    *("data.cache_dir", "objective.names"),
    *("trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy"),
    *("trainer.max_epochs", "trainer.threads", "trainer.deterministic"),
    *("trainer.progress", "trainer.log_every_n_steps"),
}
# What a training may go on with where `resume_changed` allows it: weights keep their meaning, a
# trained network computes the same, and the schedule has the same length.
_CHANGEABLE: Final = (
    *("optimizer.lr", "optimizer.weight_decay", "optimizer.momentum"),
    *("model.dropout", "trainer.gradient_clip_val"),
)
_LOSS_WEIGHTS: Final = "loss.weight_"  # only if the objective is none of these losses
_OF_A_SWEEP: Final = ("hpo", "launcher")  # how trials are searched and started
_REMEDY: Final = "take another folder (hydra.run.dir=...)"


def check_same_training(cfg: DictConfig, run_dir: Path, checkpoint: Path) -> None:
    """Refuse to go on with settings under which the training would not be the same.

    Raises:
        ConfigError: a setting differs, `config.yaml` is missing or damaged, or more epochs are
            done than `trainer.max_epochs`.
    """
    old, new = _recorded(run_dir / CONFIG), _plain(cfg)
    changes = _changes(old, new)
    if new.get("resume_changed"):
        changes = {key: change for key, change in changes.items() if not _is_changeable(key, new)}
    if changes:
        group = next(iter(changes)).partition(".")[0]
        told = (
            ", ".join(
                f"{key.removeprefix(f'{group}.')} {change}"
                for key, change in changes.items()
                if key.startswith(f"{group}.")
            )
            or changes[group]
        )
        remedy = f"{_REMEDY} or the old settings"
        if all(_is_changeable(key, new) for key in changes):
            remedy = f"{_REMEDY}, the old settings, or resume_changed=true"
        raise ConfigError(f"{run_dir} holds a training with another `{group}`: {told}; {remedy}")
    n_done = int(read_checkpoint(checkpoint).get("epoch", -1)) + 1
    n_asked = new["trainer"]["max_epochs"]
    if isinstance(n_asked, int) and n_asked < n_done:
        raise ConfigError(
            f"trainer.max_epochs={n_asked}, but {run_dir} holds a training of {n_done} epochs; "
            f"ask for more, or {_REMEDY}"
        )


def check_change(before: DictConfig, after: DictConfig) -> None:
    """Check whether a training can go on with other settings, as population based training asks.

    Args:
        before: what it has begun with, a composition of `conf/train.yaml`.
        after: what it shall go on with.

    Raises:
        ConfigError: it cannot; names the key.

    >>> from hydra import compose, initialize_config_dir
    >>> from mlpf.config import config_dir
    >>> with initialize_config_dir(config_dir(), version_base="1.3"):
    ...     cfg, other = (compose("train", [f"optimizer.lr={lr}"]) for lr in (1e-3, 1e-4))
    >>> check_change(cfg, other)
    """
    new = _plain(after)
    key = next(
        (key for key in _changes(_plain(before), new) if not _is_changeable(key, new)), None
    )
    if key is not None:
        raise ConfigError(
            f"{key}: no training goes on with another value, only with other values of "
            f"{', '.join(_CHANGEABLE)}, and of {_LOSS_WEIGHTS}* if the objective is no loss"
        )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys whose values decide how a training goes on, and how they differ."""
    groups = (group for group in _SAME if group in old)  # an earlier version had fewer
    differences = (_differences(old[group], new[group], group) for group in groups)
    return {key: how for pairs in differences for key, how in pairs if key not in _MAY_DIFFER}


def _is_changeable(key: str, cfg: Mapping[str, Any]) -> bool:
    if key.startswith(_LOSS_WEIGHTS):
        return "loss" not in str(cfg["objective"])
    return key in _CHANGEABLE


def record(cfg: DictConfig, run_dir: Path, *, is_resumed: bool) -> None:
    """Write `config.yaml`. That of a resumed training stays; other settings go to a file beside.

    These are `config.1.yaml`, `config.2.yaml`, ..., one for each time that something changed, and
    the log says what.
    """
    target = run_dir / CONFIG
    if is_resumed:
        earlier = [target, *_later_files(run_dir)]
        changes = [
            f"{key} {change}"
            for key, change in _differences(_recorded(earlier[-1]), _plain(cfg))
            if key.partition(".")[0] not in _OF_A_SWEEP
        ]
        if not changes:
            return
        target = target.with_suffix(f".{len(earlier)}.yaml")
        log.warning("resuming with other settings (%s): %s", target.name, ", ".join(changes))
    with writing(target) as partial:
        partial.write_text(OmegaConf.to_yaml(cfg, resolve=True))


def _later_files(run_dir: Path) -> list[Path]:
    names = (run_dir / f"config.{n}.yaml" for n in range(1, 10_000))
    found = []
    for path in names:
        if not path.is_file():
            break
        found.append(path)
    return found


def _recorded(path: Path) -> dict[str, Any]:
    try:
        loaded = OmegaConf.load(path)
        content = _plain(loaded) if isinstance(loaded, DictConfig) else None
    except (OSError, YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: missing or damaged; {_REMEDY}") from error
    if not isinstance(content, dict) or not isinstance(content.get("trainer", {}), dict):
        raise ConfigError(f"{path}: damaged; {_REMEDY}")
    return content


def _plain(cfg: DictConfig) -> dict[str, Any]:
    as_in_a_file = OmegaConf.create(OmegaConf.to_yaml(cfg, resolve=True))
    plain = OmegaConf.to_container(as_in_a_file)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key whose value differs, and how."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            inner = f"{key}.{name}" if key else str(name)
            yield from _differences(old.get(name), new.get(name), inner)
    elif old != new:
        yield key, f"was {_shown(old)}, is now {_shown(new)}"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
