"""The text that each command prints for `--help`."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from string import Template

from omegaconf import OmegaConf

from hpo.__main__ import COMMANDS as HPO
from mlpf.__main__ import COMMANDS as MLPF
from mlpf.config import config_dir

_ELSEWHERE = "(as on the page of all configuration keys)\n"


def text() -> str:
    """Return the Markdown of all commands."""
    own = {f"hpo.{name}": told for name, told in HPO.items()}
    own["qsvr.benchmark"] = "the R2 table of forecasts of learning curves"
    parts = [_part(f"mlpf.{name}", told, hydra_help(name)) for name, told in MLPF.items()]
    return "\n".join([*parts, *(_part(name, told, own_help(name)) for name, told in own.items())])


def hydra_help(name: str) -> str:
    """Return the help of `python -m mlpf.NAME`, without the lists of groups and keys."""
    config = OmegaConf.load(Path(config_dir()) / f"{name}.yaml")
    template = Template(config.hydra.help.template)
    return template.safe_substitute(APP_CONFIG_GROUPS=_ELSEWHERE, CONFIG=_ELSEWHERE)


def own_help(name: str) -> str:
    """Return the help of a command that Hydra does not run."""
    module = import_module(name)
    module = import_module(f"{name}.__main__") if hasattr(module, "__path__") else module
    with redirect_stdout(io.StringIO()) as shown:
        module.main(["--help"])
    return shown.getvalue()


def _part(name: str, told: str, shown: str) -> str:
    title = f"## python -m {name}"
    return f"{title}\n\n{told[0].upper()}{told[1:]}.\n\n````text\n{shown.strip()}\n````\n"
