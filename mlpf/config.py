"""Where the configuration lives, and the errors that a user of a command may cause."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException, InstantiationException
from hydra.experimental.callback import Callback
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf


class ConfigError(CompactHydraException):
    """A mistake of the user: Hydra prints its message as one line and exits with code 1.

    The full traceback appears with HYDRA_FULL_ERROR=1.
    """


class DivergedError(CompactHydraException, FloatingPointError):
    """A loss became NaN or infinite; a command ends as with `ConfigError`."""


class FileWriteError(CompactHydraException, OSError):
    """A file could not be written, usually because the disk is full; the old file is intact."""


def config_dir() -> str:
    """Return the absolute path of `conf/`: inside an installed package, beside it in a checkout.

    Raises:
        FileNotFoundError: neither place holds it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return str(folder)
    raise FileNotFoundError(f"no conf/train.yaml inside or beside {package}")


def build(cfg: DictConfig, key: str) -> Any:
    """Return the object that the node `key` of `cfg` describes, for example `data.source`.

    Raises:
        ConfigError: a constructor refused a value or does not know a key; the message begins with
            the key of its node.
    """
    try:
        return instantiate(OmegaConf.select(cfg, key))
    except InstantiationException as error:
        node = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)
        reason = error.__cause__ or error
        raise ConfigError(f"{node[1] if node else key}: {reason}") from error


def check_at_least(minimum: int, **values: int) -> None:
    """Raise a ValueError that names the first of `values` below `minimum`, or not an integer."""
    for name, value in values.items():
        if not isinstance(value, int) or value < minimum:
            raise ValueError(f"{name} must be an integer >= {minimum}, got {value}")


class SearchSpaceNeedsSearch(Callback):
    """Refuses a search space without a search, which would ignore it.

    >>> sweeper = {"_target_": "hydra.BasicSweeper", "params": {"optimizer.lr": "interval(0, 1)"}}
    >>> config = OmegaConf.create({"hydra": {"sweeper": sweeper}})
    >>> SearchSpaceNeedsSearch().on_multirun_start(config)
    Traceback (most recent call last):
    SystemExit: search_space: nothing searches it; add for example -m hpo=asha_bo
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single job."""
        _check_search(config)
        if config.hydra.runtime.choices["hydra/launcher"] != "basic":
            sys.exit("launcher: a single training is not launched; add for example -m hpo=asha_bo")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a multirun."""
        _check_search(config)


def _check_search(config: DictConfig) -> None:
    sweeper = config.hydra.sweeper
    if sweeper.get("params") and sweeper._target_.endswith(".BasicSweeper"):
        # Hydra turns an exception in a callback into a warning, but not SystemExit.
        sys.exit("search_space: nothing searches it; add for example -m hpo=asha_bo")
