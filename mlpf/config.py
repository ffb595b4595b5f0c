"""Where the configuration lives, and the errors that a user of a command may cause."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from commons.extras import missing_module, remedy
from commons.terminal import printable


class ConfigError(CompactHydraException):
    """A mistake of the user: its message is one line, and the command ends with its `code`.

    The full traceback appears with HYDRA_FULL_ERROR=1.
    """

    code = 2

    def __str__(self) -> str:
        """Return the message as a terminal may show it: it may hold the name of a file."""
        return printable(super().__str__())


class WorkError(CompactHydraException):
    """A command could not do all of its work."""

    code = 1


class DivergedError(CompactHydraException, FloatingPointError):
    """A loss became NaN or infinite."""

    code = 1


class FileWriteError(CompactHydraException, OSError):
    """A file could not be written, usually because the disk is full; the old file is intact."""

    code = 1


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
        ConfigError: a constructor refused a value or does not know a key, or a value is missing;
            the message begins with the key of its node.
    """
    try:
        return instantiate(OmegaConf.select(cfg, key))
    except MissingMandatoryValue as error:
        name = error.full_key
        raise ConfigError(f"{name}: a value is needed (it is ???): give {name}=VALUE") from error
    except OmegaConfBaseException as error:  # an interpolation without a value
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error
    except InstantiationException as error:
        node = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)
        raise ConfigError(_told(cfg, node[1] if node else key, error)) from error


def _told(cfg: DictConfig, key: str, error: InstantiationException) -> str:
    module = missing_module(error)
    if module is not None:
        package = module.partition(".")[0]
        return f"{key}: the package {package} is not installed: {remedy(module, 'mlpf')}"
    return told(cfg, key, str(error.__cause__ or error))


def told(cfg: DictConfig, key: str, reason: str) -> str:
    """Return why the node `key` is wrong; a reason that begins with a setting names its key."""
    name, node = reason.partition(" ")[0], OmegaConf.select(cfg, key)
    is_setting = isinstance(node, DictConfig) and name in node
    return f"{key}.{reason}" if is_setting else f"{key}: {reason}"


def check_at_least(minimum: int, **values: int) -> None:
    """Raise a ValueError that names the first of `values` below `minimum`, or not an integer."""
    for name, value in values.items():
        if not isinstance(value, int) or value < minimum:
            raise ValueError(f"{name} must be an integer >= {minimum}, got {value}")


def check_share(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a number above 0 and up to 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0.0 < value <= 1.0:
        raise ValueError(f"{name} must be in (0, 1], got {value}")


def check_number(name: str, value: float, *, below: float = math.inf, zero: bool = True) -> None:
    """Raise a ValueError unless `value` is a number from 0 (itself if `zero`) up to `below`."""
    valid = isinstance(value, int | float) and 0.0 <= value < below
    if not valid or (value == 0.0 and not zero):
        start = "[" if zero else "("
        raise ValueError(f"{name} must be a number in {start}0, {below}), got {value}")
