"""Initial weights of a training, taken from a trained network."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor, nn

from mlpf.config import ConfigError
from mlpf.network.saved import load_network

log = logging.getLogger(__name__)

_MIN_SHARE = 0.05  # of the numbers in the weights; biases of the heads always fit


def initialize(network: nn.Module, cfg: DictConfig) -> None:
    """Give `network` the weights of `cfg.init_from`, if there is one, that fit.

    A weight fits if name and shape are equal, so the other network may have other heads or other
    numbers of layers. What keeps its random start is logged in one line.

    Args:
        network: changed in place.
        cfg: `init_from` is null or what `mlpf.load_network` reads.

    Raises:
        ConfigError: there is no trained network, or less than a twentieth of it fits.
    """
    if cfg.init_from is None:
        return
    try:
        trained = load_network(Path(str(cfg.init_from))).state_dict()
    except ConfigError as error:
        raise ConfigError(f"init_from: {error}") from error
    own = network.state_dict()
    fitting = {
        name: weight
        for name, weight in trained.items()
        if name in own and own[name].shape == weight.shape
    }
    others = [name for name in own if name not in fitting]
    if _n_numbers(fitting.values()) < _MIN_SHARE * _n_numbers(own.values()):
        raise ConfigError(
            f"init_from: nothing of {cfg.init_from} fits this network in name and shape; "
            "take the model of that training"
        )
    network.load_state_dict(fitting, strict=False)
    kept = f"; not loaded: {_summary(others)}" if others else ""
    log.info("%d of %d weights from %s%s", len(fitting), len(own), cfg.init_from, kept)


def _n_numbers(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() for weight in weights)


def _summary(names: list[str]) -> str:
    """The parts of the network that `names` belong to, with the number of their weights."""
    parts = [
        ".".join(name.split(".")[:3] if "layers" in name else name.split(".")[:1])
        for name in names
    ]
    return ", ".join(f"{part} ({parts.count(part)})" for part in dict.fromkeys(parts))
