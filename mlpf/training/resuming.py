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
# Where, how long and how visibly it trains.
_MAY_DIFFER: Final = {
    "data.cache_dir",
    *("trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy"),
    *("trainer.max_epochs", "trainer.threads", "trainer.deterministic"),
    *("trainer.progress", "trainer.log_every_n_steps"),
}
_OF_A_SWEEP: Final = ("hpo", "launcher")  # how trials are searched and started
_REMEDY: Final = "take another folder (hydra.run.dir=...)"


def check_same_training(cfg: DictConfig, run_dir: Path, checkpoint: Path) -> None:
    """Refuse to go on with settings under which the training would not be the same.

    Raises:
        ConfigError: a setting differs, `config.yaml` is missing or damaged, or more epochs are
            done than `trainer.max_epochs`.
    """
    old, new = _recorded(run_dir / CONFIG), _plain(cfg)
    for group in _SAME:
        if group not in old:  # made by an earlier version
            continue
        changes = [
            f"{key.removeprefix(f'{group}.')} {change}"
            for key, change in _differences(old[group], new[group], group)
            if key not in _MAY_DIFFER
        ]
        if changes:
            told = f"{run_dir} holds a training with another `{group}`"
            raise ConfigError(f"{told}: {', '.join(changes)}; {_REMEDY} or the old settings")
    n_done = int(read_checkpoint(checkpoint).get("epoch", -1)) + 1
    n_asked = new["trainer"]["max_epochs"]
    if isinstance(n_asked, int) and n_asked < n_done:
        raise ConfigError(
            f"trainer.max_epochs={n_asked}, but {run_dir} holds a training of {n_done} epochs; "
            f"ask for more, or {_REMEDY}"
        )


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
