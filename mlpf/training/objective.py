"""What a training is judged by: one logged value, and whether a small or a large one is good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from omegaconf import DictConfig, OmegaConf

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

    A sweep takes `hpo.direction` and `callbacks.report_trial.monitor` from that node. Where they
    were set by themselves, they say what the study searches, and the node follows them.

    Raises:
        ConfigError: the mode is not known.
    """
    objective = dict(cfg.objective)
    goals = OmegaConf.select(cfg, "hpo.goals") or {}
    direction, names = OmegaConf.select(cfg, "hpo.direction"), list(goals.get("names") or [])
    if OmegaConf.is_list(direction):
        reported = goals.get("prune_by") or "first"
        place = names.index(reported) if reported in names else 0
        direction = direction[place]
        if names and names[place] != cfg.objective.name:
            raise ConfigError(
                f"hpo.goals.names: {names[place]} is reported after each epoch, so objective.name "
                f"must be that, not {cfg.objective.name}"
            )
    if direction:
        objective["mode"] = str(direction)[:3]
    objective["name"] = (
        OmegaConf.select(cfg, "callbacks.report_trial.monitor") or cfg.objective.name
    )
    try:
        Objective(**objective)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"objective: {error}") from error
    changed = OmegaConf.merge(cfg, {"objective": objective})
    assert isinstance(changed, DictConfig)
    return changed


def objectives_of(cfg: DictConfig) -> list[str]:
    """Return the names of what a training of a search with several objectives returns."""
    return list(OmegaConf.select(cfg, "hpo.goals.names") or [])
