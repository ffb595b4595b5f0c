"""An application that only waits: epochs of a fixed length and the loss curve x**2 + 1/epoch."""

from __future__ import annotations

import random
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig

import hpo
from benchmarks.load import probe


def train(cfg: DictConfig) -> float:
    """Return the loss after `epochs` epochs of about `epoch_s` seconds."""
    # A training of its own speed: workers in step would make bursts that no cluster sees.
    epoch_s = cfg.epoch_s * random.SystemRandom().uniform(0.75, 1.25)
    loss = float("inf")
    try:
        for epoch in range(1, cfg.epochs + 1):
            probe.enter("training")
            time.sleep(epoch_s)
            loss = cfg.x**2 + 1 / epoch
            probe.enter("reporting")
            hpo.report_value(loss, epoch)
        return loss
    finally:
        probe.enter("between")


@hydra.main(config_path=str(Path(__file__).parent), config_name="app", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Run the application."""
    return train(cfg)


if __name__ == "__main__":
    main()
