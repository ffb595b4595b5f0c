"""Commands that Hydra runs: a mistake of the user is one line, and the exit code says its kind."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from commons.cli import BORROWED, FULL_ERROR, UsageError, did_you_mean, guard
from commons.cli import end as end_with
from commons.keys import keys_of
from commons.terminal import one_line
from mlpf.config import ConfigError, DivergedError, FileWriteError, WorkError, config_dir


def run_command(main: Callable[[], Any], config_name: str) -> int:
    """Call a function of `hydra.main` and return the exit code of its command."""
    if FULL_ERROR not in os.environ:  # then Hydra raises what it cannot compose
        os.environ[FULL_ERROR] = "1"
        BORROWED.append(FULL_ERROR)

    def work() -> None:
        try:
            main()
        except (HydraException, OmegaConfBaseException) as error:
            give_back()
            raise UsageError(explained(error, config_name, sys.argv[1:])) from error

    try:
        return guard(work)
    finally:
        give_back()


def apart(name: str) -> dict[str, Any]:
    """Return arguments of `hydra.main` for a command with keys that are groups of a training.

    Hydra would take `model=FILE` for a choice among the files of `conf/model`. So it gets the
    configuration `conf/NAME.yaml` alone, without the folder that it lies in.
    """
    node = OmegaConf.load(Path(config_dir()) / f"{name}.yaml")
    stored = f"mlpf_{name}"  # another name than the file's, for which it would be a schema
    ConfigStore.instance().store(stored, node, provider="mlpf")
    return {"config_path": None, "config_name": stored, "version_base": "1.3"}


def give_back() -> None:
    """Let Hydra print errors again: the configuration is composed, what runs is not ours alone."""
    while BORROWED:
        os.environ.pop(BORROWED.pop(), None)


@contextmanager
def ended_in_one_line() -> Iterator[None]:
    """End a run of this process at an error of its user; a trial or launched job raises it."""
    give_back()
    try:
        yield
    except (ConfigError, DivergedError, FileWriteError, WorkError) as error:
        if not HydraConfig.initialized():
            raise
        choices = HydraConfig.get().runtime.choices
        if {choices["hydra/sweeper"], choices["hydra/launcher"]} != {"basic"}:
            raise
        sys.exit(end_with(str(error), error.code))


def explained(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """Return in one line why these arguments do not compose."""
    if isinstance(error, MissingConfigException) and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        known = [name for name in error.options if not name.startswith("_")]
        near, offered = did_you_mean(option, known), ", ".join(known)
        return f"{group}={option}: no such option{near} (there are: {offered})"
    parts = [error, error.__cause__]
    lines = [str(part).strip().splitlines()[0] for part in parts if part and str(part).strip()]
    text = one_line(" ".join(dict.fromkeys(lines)))
    if over := re.search(r"Error merging override (([\w.]+)=.*) Cannot merge DictConfig", text):
        inside = [k for k in _known(config_name, arguments) if k.startswith(f"{over[2]}.")]
        return f"{over[1]}: it is a mapping; set {' or '.join(f'{key}=...' for key in inside[:5])}"
    key = re.search(r"Could not override '\+*([\w.@/]+)'", text)
    if key is None:
        return text
    return text.rstrip(".") + did_you_mean(key[1], _known(config_name, arguments))


def _known(config_name: str, arguments: Sequence[str]) -> list[str]:
    """Return the keys there are with the options that the arguments choose."""
    groups = [a for a in arguments if re.fullmatch(r"[\w/]+=\w+", a)]
    for chosen in (groups, []):
        with suppress(HydraException), initialize_config_dir(config_dir(), version_base="1.3"):
            config = compose(config_name, chosen)
            return keys_of(config)
    return []


class SearchSpaceNeedsSearch(Callback):
    """Refuses a search space without a search, which would ignore it.

    >>> from omegaconf import OmegaConf
    >>> sweeper = {"_target_": "hydra.BasicSweeper", "params": {"optimizer.lr": "interval(0, 1)"}}
    >>> config = OmegaConf.create({"hydra": {"sweeper": sweeper}})
    >>> SearchSpaceNeedsSearch().on_multirun_start(config)
    Traceback (most recent call last):
    SystemExit: 2
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single job."""
        _check_search(config)
        if config.hydra.runtime.choices["hydra/launcher"] != "basic":
            text = "launcher: a single training is not launched; add for example -m hpo=asha_bo"
            sys.exit(end_with(text, 2))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a multirun."""
        _check_search(config)


def _check_search(config: DictConfig) -> None:
    give_back()
    sweeper = config.hydra.sweeper
    if sweeper.get("params") and sweeper._target_.endswith(".BasicSweeper"):
        # Hydra turns an exception in a callback into a warning, but not SystemExit.
        sys.exit(end_with("search_space: nothing searches it; add for example -m hpo=asha_bo", 2))
