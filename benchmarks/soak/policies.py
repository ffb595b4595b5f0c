"""The six policies, of the same files as in a user's sweep, on short trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import hpo

EPOCHS = 6
# Overrides of hpo/conf/pruner/NAME.yaml.
POLICIES: dict[str, dict[str, Any]] = {
    "median": {"n_startup_trials": 2},
    "asha": {"reduction_factor": 2},
    "hyperband": {"max_resource": EPOCHS, "reduction_factor": 2},
    "promotion": {"max_resource": EPOCHS, "reduction_factor": 2},
    "freeze_thaw": {"forecaster.max_resource": EPOCHS},
    "pbt": {"population": 4, "interval": 2, "max_resource": EPOCHS},
}


def overrides(policy: str) -> list[str]:
    """Return what chooses a policy on the command line of a sweep."""
    settings = POLICIES[policy].items()
    return [
        f"hydra/sweeper/pruner={policy}",
        *(f"hydra.sweeper.pruner.{key}={value}" for key, value in settings),
    ]


def node(policy: str) -> Any:
    """Return the `_target_` node of a policy."""
    folder = Path(hpo.__file__).parent / "conf" / "pruner"
    with initialize_config_dir(str(folder), version_base="1.3"):
        cfg = compose(policy, [f"{key}={value}" for key, value in POLICIES[policy].items()])
    return OmegaConf.to_container(cfg, resolve=True)
