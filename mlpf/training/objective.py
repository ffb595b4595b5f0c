"""What a training is judged by: one logged value, and whether a small or a large one is good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf, open_dict

from mlpf.config import ConfigError

_WORST: Final = {"min": math.inf, "max": -math.inf}


@dataclass(frozen=True)
class Objective:
    """The best epoch is the one with the best value; a value that is not finite is never best.

    Args:
        name: of a value that is logged once per epoch.
        mode: "min" if small values are good, "max" if large ones are.

    Raises:
        ValueError: `mode` is neither.

    >>> Objective("val_accuracy", "max").is_better(0.9, than=0.8)
    True
    """

    name: str
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in _WORST:
            raise ValueError(f"mode must be min or max, got {self.mode}")

    @property
    def worst(self) -> float:
        """Infinite: any finite value is better."""
        return _WORST[self.mode]

    def is_better(self, value: float, *, than: float) -> bool:
        """Tell whether `value` is finite and better; anything finite is better than a NaN."""
        if not math.isfinite(value):
            return False
        return math.isnan(than) or (value < than if self.mode == "min" else value > than)

    def best(self, history: Sequence[dict[str, float]]) -> dict[str, float] | None:
        """Return the first of the best rows of `metrics.csv`; None if no value is finite."""
        best, found = self.worst, None
        for row in history:
            value = row.get(self.name, math.nan)
            if self.is_better(value, than=best):
                best, found = value, row
        return found


def with_objective(cfg: DictConfig) -> DictConfig:
    """Return the configuration with the node `objective` as it is used.

    `objective.name` may list several objectives, `objective.mode` be one for all or a list. Then
    the node gets `names`, all that a training returns, and `name` and `mode` become those of the
    one that decides which epoch is best and by which trials are pruned (`hpo.goals.prune_by`).

    A sweep takes `hpo.direction`, `hpo.goals.names` and `callbacks.report_trial.monitor` from
    that node. Where they were set by themselves, they say what the study searches, and the node
    follows them.

    Raises:
        ConfigError: a mode is not known, or names and modes do not fit.
    """
    goals = OmegaConf.select(cfg, "hpo.goals") or {}
    monitor = OmegaConf.select(cfg, "callbacks.report_trial.monitor")
    own = cfg.objective.get("names") or cfg.objective.name
    names = _listed(goals.get("names") or monitor or own)
    modes = _listed(OmegaConf.select(cfg, "hpo.direction") or cfg.objective.mode)
    modes = [str(mode)[:3] if str(mode).endswith("imize") else mode for mode in modes]
    modes = modes * len(names) if len(modes) == 1 else modes
    if len(modes) != len(names):
        raise ConfigError(f"objective.mode: one for all or one each of {', '.join(names)}")
    for name, mode in zip(names, modes, strict=True):
        try:
            Objective(name, mode)
        except ValueError as error:
            raise ConfigError(f"objective: {error}") from error
    reported = goals.get("prune_by")
    place = names.index(reported) if reported in names else 0
    node: dict[str, Any] = {"name": names[place], "mode": modes[place]}
    changes: dict[str, Any] = {"objective": node}
    if len(names) > 1:
        node["names"] = names
        if goals:
            changes["hpo"] = {"goals": {"names": names}, "direction": modes}
    with open_dict(cfg):
        changed = OmegaConf.merge(cfg, changes)
    assert isinstance(changed, DictConfig)
    OmegaConf.set_struct(changed, OmegaConf.is_struct(cfg))
    if monitor is not None and changed.callbacks.report_trial.monitor != node["name"]:
        raise ConfigError(
            f"callbacks.report_trial.monitor: {node['name']} decides, so it must be that, not "
            f"{changed.callbacks.report_trial.monitor}"
        )
    return changed


def objectives_of(cfg: DictConfig) -> list[str]:
    """Return the names of what a training with several objectives returns; else none."""
    return list(cfg.objective.get("names") or [])


def _listed(node: Any) -> list[Any]:
    return list(node) if OmegaConf.is_list(node) or isinstance(node, list | tuple) else [node]
