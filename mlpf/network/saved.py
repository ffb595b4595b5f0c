"""Networks in the folders that trainings write."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

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
        ConfigError: the checkpoint or `config.yaml` is missing, or the latter does not fit.

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
    cfg = OmegaConf.load(config)
    assert isinstance(cfg, DictConfig)
    network: nn.Module = build(cfg, "model")
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    ours = [name for name in weights if name.startswith(_PREFIX)]
    network.load_state_dict({name.removeprefix(_PREFIX): weights[name] for name in ours})
    return network.eval()
