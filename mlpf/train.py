"""Train a particle-flow network: `python -m mlpf.train [key=value ...]`, see `--help`."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from mlpf.command import run_command
from mlpf.config import config_dir
from mlpf.training.fit import fit
from mlpf.training.ranks import hydra_overrides


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="train")
def main(cfg: DictConfig) -> float | list[float]:
    """Run one training; one line, because launchers pickle this function by value."""
    return fit(cfg)


if __name__ == "__main__":
    sys.argv += hydra_overrides(sys.argv)
    sys.exit(run_command(main, "train"))
