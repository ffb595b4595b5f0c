"""Checkpoints of a training: written atomically, read without running code from the file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint
from torch import nn

from mlpf.config import ConfigError, build

FOLDER = "checkpoints"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames: a reader sees the old file or the new one, whole.

    Lightning's own writer goes through the system's temporary folder; when that is another file
    system than the run folder, as on a cluster, its last step is a copy and not atomic.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path`; `storage_options` is not used."""
        del storage_options
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_atomically(target, lambda partial: torch.save(checkpoint, partial))


class EpochCheckpoints(Checkpoint):
    """Writes `checkpoints/last.ckpt` after every epoch and `best.ckpt` at each improvement.

    Args:
        monitor: name of the logged quantity whose smallest value is best.
    """

    def __init__(self, monitor: str = "val_loss") -> None:
        self.monitor = monitor
        self.best = float("inf")

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.best = state_dict["best"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save; every rank takes part, rank 0 writes."""
        del pl_module
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(trainer.callback_metrics)
            raise ConfigError(f"callbacks.checkpoint.monitor: no {self.monitor} among {logged}")
        value = float(trainer.callback_metrics[self.monitor])
        folder = Path(trainer.default_root_dir) / FOLDER
        if value >= self.best:
            trainer.save_checkpoint(folder / "last.ckpt", weights_only=False)
            return
        self.best = value
        # Best first: a run killed between the two files repeats the epoch and writes both again.
        trainer.save_checkpoint(folder / "best.ckpt", weights_only=False)
        if trainer.is_global_zero:
            replace_atomically(folder / "last.ckpt", lambda p: _link(folder / "best.ckpt", p))


def load_network(run: Path, name: str = "best") -> tuple[nn.Module, DictConfig]:
    """Return the trained network of a run folder, in evaluation mode, and its configuration.

    Args:
        run: a folder that `python -m mlpf.train` wrote.
        name: `best` or `last`.

    Raises:
        ConfigError: the folder lacks `config.yaml` or the checkpoint.
    """
    config_file, checkpoint_file = run / "config.yaml", run / FOLDER / f"{name}.ckpt"
    for file in (config_file, checkpoint_file):
        if not file.is_file():
            raise ConfigError(f"{file}: not found; is {run} the folder of a training?")
    cfg = OmegaConf.load(config_file)
    assert isinstance(cfg, DictConfig)
    network: nn.Module = build(cfg, "model")
    checkpoint = torch.load(checkpoint_file, map_location="cpu", weights_only=True)
    prefix = "network."
    weights = checkpoint["state_dict"]
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    )
    return network.eval(), cfg


def replace_atomically(target: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a path beside `target`, then give that file the name `target`."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
