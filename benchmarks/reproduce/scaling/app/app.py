"""An application that only waits: epochs of a fixed length, and the loading of a paused model."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import hydra
import numpy as np
from omegaconf import DictConfig

import hpo
from benchmarks.reproduce.scaling.problem import SPREAD, loss_at
from hpo.current import CurrentTrial

LOADED = "n_loaded"  # attribute of a trial: how often its model was loaded


def train(cfg: DictConfig) -> float:
    """Return the loss after `epochs` epochs of about `epoch_s` seconds."""
    trial = hpo.current_trial()
    assert trial is not None, "this application only runs in a sweep"
    epoch_s = cfg.epoch_s * random.Random(trial.number).uniform(1 - SPREAD, 1 + SPREAD)
    losses = loss_at(cfg.a, cfg.b, cfg.fall, np.arange(1.0, cfg.epochs + 1)).tolist()
    begun, n_loaded = _load(trial, cfg.load_s)
    for epoch in range(begun + 1, cfg.epochs + 1):
        time.sleep(epoch_s)
        _save(trial, epoch, n_loaded)
        hpo.report_value(losses[epoch - 1], epoch)
    return float(losses[-1])


def _load(trial: CurrentTrial, load_s: float) -> tuple[int, int]:
    """Return the epochs done and how often the model was loaded, this time included."""
    if (folder := trial.checkpoint.resume_from) is None:
        return 0, 0
    epoch, n_loaded = json.loads((folder / "state").read_text())
    time.sleep(load_s)
    trial.set_user_attr(LOADED, n_loaded + 1)
    return epoch, n_loaded + 1


def _save(trial: CurrentTrial, epoch: int, n_loaded: int) -> None:
    partial = trial.checkpoint.folder / "new"
    partial.write_text(json.dumps([epoch, n_loaded]))
    partial.replace(trial.checkpoint.folder / "state")


@hydra.main(config_path=str(Path(__file__).parent), config_name="app", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Run the application."""
    return train(cfg)


if __name__ == "__main__":
    main()
