"""A Hydra application that replays learning curves."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

import hpo
from benchmarks.load.replay.curves import replay


@hydra.main(config_path=str(Path(__file__).parent), config_name="app", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Train; return the loss."""
    return replay(cfg, cfg.epoch_s, Path(cfg.log), hpo.report_value)


if __name__ == "__main__":
    main()
