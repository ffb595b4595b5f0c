"""Command: the physics performance of a trained network beside the rule-based candidates."""

import shlex
import sys
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue
from torch import nn

from commons.console import Console
from commons.files import replacing, write_json
from commons.pools import run_tasks
from mlpf.command import apart, ended_in_one_line, run_command
from mlpf.config import ConfigError, FileWriteError
from mlpf.evaluation.evaluate import Evaluated, evaluate
from mlpf.evaluation.inputs import event_files, networks
from mlpf.evaluation.page import write_report
from mlpf.evaluation.screen import key_lines
from mlpf.evaluation.shown import displays
from mlpf.evaluation.stream import Settings

_SETTINGS = ("p_none_max", "batch_size", "jet_pt_min", "n_draws", "seed", "speed")


def run(cfg: DictConfig) -> None:
    """Evaluate and write the files.

    Raises:
        ConfigError: a key is wrong, a run or file is missing or unfit, or there is no event.
        FileWriteError: `out` cannot be written.
    """
    out, device = _out(cfg), _device(cfg.device)
    if isinstance(cfg.events, bool) or not isinstance(cfg.events, int) or cfg.events < 0:
        raise ConfigError(f"events must be an integer >= 0, got {cfg.events}")
    try:
        settings = Settings(**{name: cfg[name] for name in _SETTINGS})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    nets: dict[str, nn.Module] = networks(_plain(cfg.run), cfg.model)
    nets = {name: network.to(device) for name, network in nets.items()}
    files = event_files(cfg)
    _make(out)
    (found,) = run_tasks(
        lambda task: evaluate(nets, task, settings, n_shown=cfg.events),
        [files],
        n_steps=files.n_events,
        description="events",
        n_processes=1,
    )
    try:
        _write(found, out, cfg)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, error.filename) from error
    console = Console(stderr=True, soft_wrap=True)
    for name in nets:
        for line in key_lines(found.content, name if len(nets) > 1 else ""):
            console.print(line)
    for text in found.content["missing"]:
        console.print(f"missing: {text}")
    console.print(f"{found.content['settings']['n_events']} events; files in {out}")


def _write(found: Evaluated, out: Path, cfg: DictConfig) -> None:
    write_json(out / "evaluation.json", found.content)
    with replacing(out / "evaluation.yaml") as partial:
        partial.write_text(OmegaConf.to_yaml(cfg, resolve=True))
    first = next(iter(found.found.values()))
    given = {name: _plain(cfg[name]) for name in ("run", "model", "data", "split", "files")}
    provenance = {name: value for name, value in given.items() if value is not None}
    provenance["command"] = shlex.join(["python", "-m", "mlpf.evaluate", *sys.argv[1:]])
    write_report(found.content, out, displays(found.events, first), provenance)


def _out(cfg: DictConfig) -> Path:
    try:
        return Path(str(cfg.out))
    except MissingMandatoryValue as error:
        raise ConfigError("out=DIR is needed: the folder for the results") from error


def _make(out: Path) -> None:
    """Make the folder before the work, so that a wrong one costs none."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={out}: {error.strerror}") from error


def _device(name: str) -> str:
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device must be cpu, cuda or auto, got {name}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: there is no CUDA device")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _plain(value: object) -> object:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


@hydra.main(**apart("evaluate"))
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.evaluate --help`."""
    with ended_in_one_line():
        run(cfg)


if __name__ == "__main__":
    sys.exit(run_command(main, "evaluate"))
