"""Trained networks: in the folders that trainings write, and in weight files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from yaml import YAMLError

import mlpf
from commons.cli import did_you_mean
from mlpf.config import ConfigError, build
from mlpf.network.weights import DamagedWeights, is_weight_file, read_weights

CHECKPOINTS: Final = "checkpoints"  # folder of the checkpoints inside a run folder
CONFIG: Final = "config.yaml"  # the resolved configuration of a run
PRETRAINED: Final = "pretrained"  # stands for the weight file inside this package
_PRETRAINED_FILE: Final = Path(__file__).with_name("pretrained.npz")
_PREFIX: Final = "network."  # of the network's weights in a checkpoint


@dataclass(frozen=True)
class Saved:
    """A trained network and where it comes from."""

    network: nn.Module  # on the CPU, in evaluation mode
    file: Path  # that holds its weights
    model: dict[str, Any]  # its class `_target_` and its arguments
    provenance: dict[str, Any]  # of what and how it was trained; JSON
    config: DictConfig | None  # of its training; None for a weight file


def load_network(path: str | Path) -> nn.Module:
    """Return a trained network on the CPU, in evaluation mode.

    Only weights are read from a file, no code. The class and the arguments of a network in a run
    folder come from `config.yaml` there, which can name any class: load only runs that you trust.
    A weight file can name networks of this package only.

    Args:
        path: a run folder of `python -m mlpf.train`, whose best checkpoint is taken, one of the
            files in its folder `checkpoints`, a weight file of `python -m mlpf.export`, or
            `pretrained` for the one that comes with the package.

    Raises:
        ConfigError: the file or `config.yaml` is missing or damaged, or they do not fit together.

    >>> import tempfile
    >>> from mlpf import MLPF
    >>> weights = {f"network.{name}": x for name, x in MLPF(output_dim=8).state_dict().items()}
    >>> with tempfile.TemporaryDirectory() as run:  # as a training leaves it
    ...     text = "model: {_target_: mlpf.MLPF, output_dim: 8}"
    ...     _ = Path(run, "config.yaml").write_text(text)
    ...     Path(run, "checkpoints").mkdir()
    ...     torch.save({"state_dict": weights}, Path(run, "checkpoints/best.ckpt"))
    ...     load_network(run).training
    False
    """
    return load_saved(path).network


def load_saved(path: str | Path) -> Saved:
    """Return what `load_network` does, with its origin.

    Raises:
        ConfigError: as `load_network`.
    """
    if str(path) == PRETRAINED:
        path = _PRETRAINED_FILE
    path = Path(path).absolute()
    if not path.exists():
        near = did_you_mean(path.name, [PRETRAINED])
        raise ConfigError(f"{path}: not found; need a run folder or a weight file{near}")
    if path.is_file() and is_weight_file(path):
        return _from_weight_file(path)
    if path.is_dir():
        return _from_run(path / CHECKPOINTS / "best.ckpt", path / CONFIG)
    config = path.parent.parent / CONFIG
    if not config.is_file():
        raise ConfigError(f"{path}: neither a weight file nor a checkpoint in a run folder")
    return _from_run(path, config)


def _from_weight_file(path: Path) -> Saved:
    try:
        weights = read_weights(path)
        return Saved(weights.network(), path, weights.model, weights.provenance, None)
    except DamagedWeights as error:
        raise ConfigError(f"{path}: not a weight file, or damaged: {error}") from error


def _from_run(checkpoint: Path, config: Path) -> Saved:
    for file in (config, checkpoint):
        if not file.is_file():
            raise ConfigError(f"{file}: not found; is it in the folder of a training?")
    try:
        cfg = OmegaConf.load(config)
        assert isinstance(cfg, DictConfig)
    except (AssertionError, OSError, ValueError, YAMLError) as error:
        raise ConfigError(f"{config}: not a configuration") from error
    network: nn.Module = build(cfg, "model")
    try:
        weights = read_checkpoint(checkpoint)["state_dict"]
        ours = [name for name in weights if name.startswith(_PREFIX)]
        network.load_state_dict({name.removeprefix(_PREFIX): weights[name] for name in ours})
    except DamagedCheckpoint as error:
        raise ConfigError(f"{checkpoint} is damaged: {error}") from error
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise ConfigError(f"{checkpoint}: not the weights of the network in {config}") from error
    model = _plain(cfg, "model")
    return Saved(network.eval(), checkpoint, model, _provenance(cfg, config), cfg)


def _provenance(cfg: DictConfig, config: Path) -> dict[str, Any]:
    """Return what identifies a training, without the folders of the machine it ran on."""
    data = _plain(cfg, "data")
    return {
        "version": mlpf.__version__,
        "config_sha256": hashlib.sha256(config.read_bytes()).hexdigest(),
        "seed": cfg.get("seed"),
        "data": _without_folders(data),
        "loss": _plain(cfg, "loss"),
    }


def _plain(cfg: DictConfig, key: str) -> dict[str, Any]:
    node = cfg.get(key)
    plain = OmegaConf.to_container(node, resolve=True) if node is not None else {}
    return {str(name): value for name, value in plain.items()} if isinstance(plain, dict) else {}


def _without_folders(node: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_folders(value) if isinstance(value, dict) else value
        for name, value in node.items()
        if name != "folder"
    }


class DamagedCheckpoint(ValueError):
    """A file is no checkpoint, or not any more; the message says why."""


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU; no code from the file is run.

    Raises:
        DamagedCheckpoint: the file is damaged. torch would not notice a flipped bit.
    """
    try:
        content = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise DamagedCheckpoint(f"wrong checksum of {damaged}")
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(loaded, dict):
            raise DamagedCheckpoint("not a mapping")
    except Exception as error:  # damage can raise any exception
        reason = (str(error) or repr(error)).splitlines()[0]
        raise DamagedCheckpoint(reason) from error
    return loaded
