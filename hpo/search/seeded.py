"""A sampler for each trial, with a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from hydra.utils import instantiate
from optuna.samplers import BaseSampler


def make_sampler(
    config: Mapping[str, Any] | None, trial_number: int
) -> tuple[BaseSampler, int | None]:
    """Return the sampler of one trial, by default Optuna's, and its seed.

    A configured seed is combined with the number of the trial: workers then draw different points,
    and random search draws the same ones for any number of workers.
    """
    if config is None:
        return optuna.samplers.TPESampler(), None
    arguments = dict(config)
    if arguments.get("seed") is None:
        return instantiate(arguments), None
    state = np.random.SeedSequence([int(arguments["seed"]), trial_number]).generate_state(1)
    arguments["seed"] = int(state[0])
    return instantiate(arguments), arguments["seed"]
