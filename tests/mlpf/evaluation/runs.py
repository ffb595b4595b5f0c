"""Folders of trainings, made in an instant: random weights and their configuration."""

import torch
from hydra import compose, initialize
from omegaconf import OmegaConf

from mlpf.command import apart
from mlpf.config import build


def make_run(cfg, folder, seed=1):
    """Write the folder that a training of this configuration leaves, and return it."""
    torch.manual_seed(seed)
    network = build(cfg, "model")
    (folder / "checkpoints").mkdir(parents=True)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": weights}, folder / "checkpoints/best.ckpt")
    return folder


def compose_evaluate(*overrides):
    """Return the configuration of the command."""
    with initialize(config_path=None, version_base="1.3"):
        return compose(apart("evaluate")["config_name"], overrides=list(overrides))
