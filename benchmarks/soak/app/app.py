"""The Hydra application of a soaked sweep."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig

import hpo
from benchmarks.soak.training import train


@hydra.main(config_path=".", config_name="soak", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Train; Hydra reads the command line."""
    trial = hpo.current_trial()
    assert trial is not None
    return train(trial, cfg.x, partial(hpo.report_value), Path(cfg.folder))


if __name__ == "__main__":
    main()
