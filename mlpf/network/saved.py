"""Networks in the folders that trainings write."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from yaml import YAMLError

from mlpf.config import ConfigError, build

CHECKPOINTS: Final = "checkpoints"  # folder of the checkpoints inside a run folder
CONFIG: Final = "config.yaml"  # the resolved configuration of a run
_PREFIX: Final = "network."  # of the network's weights in a checkpoint


def load_network(path: str | Path) -> nn.Module:
    """Return a trained network on the CPU, in evaluation mode.

    Only the weights are read from the checkpoint, no code. The network's class and arguments come
    from `config.yaml` of the run, which can name any class: load only runs that you trust.

    Args:
        path: a run folder of `python -m mlpf.train`, whose best checkpoint is taken, or one of
            the files in its folder `checkpoints`.

    Raises:
        ConfigError: the checkpoint or `config.yaml` is missing or damaged, or they do not fit
            together.

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
    path = Path(path).absolute()
    checkpoint = path / CHECKPOINTS / "best.ckpt" if path.is_dir() else path
    config = checkpoint.parents[1] / CONFIG
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
    return network.eval()


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
