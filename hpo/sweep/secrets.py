"""Putting the passwords of a sweep aside before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from hydra.core.hydra_config import HydraConfig

from hpo.launch.payload import Payload
from hpo.settings import SweepSettings
from hpo.storage.passwords import (
    SETTINGS,
    argument_without,
    hide_in,
    setting_keys,
    without_passwords,
)


def put_aside(
    settings: SweepSettings, app: Payload, arguments: Sequence[str]
) -> tuple[SweepSettings, Payload, list[str]]:
    """Put the passwords aside: what is returned may be written to disk."""
    config, keys = copy.deepcopy(app.config), setting_keys(app.config)
    hidden = {name: without_passwords(getattr(settings, name)) for name in SETTINGS}
    # A key of a first trial that looks like a secret's name is a hyperparameter.
    hidden["enqueue"] = [
        without_passwords(entry) if isinstance(entry, str) else entry for entry in settings.enqueue
    ]
    hide_in(config)
    HydraConfig.instance().set_config(config)  # travels to the workers too
    return (
        replace(settings, **hidden),
        replace(app, config=config),
        [argument_without(argument, keys) for argument in arguments],
    )
