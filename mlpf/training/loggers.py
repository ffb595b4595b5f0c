"""Loggers of a training: their places and names, and the hyperparameters that they show.

A trial of a sweep is a run of the group (experiment) that has the study's name. A training that
is resumed goes on with its run.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from commons.cli import did_you_mean
from commons.extras import EXTRAS, remedy
from commons.locks import FileLock
from mlpf.config import ConfigError, build, told
from mlpf.training.lightning_internals import MisconfigurationException

_CREATION_S = 120.0  # at most, of MLflow's database
_RUN_ID = "mlflow_run_id"  # a file in the run folder
# What is not of the training but of its surroundings.
_LEFT_OUT = ("hpo", "launcher", "logger", "callbacks", "paths", "search_space")


def check_loggers(cfg: DictConfig) -> None:
    """Check the settings of the loggers; nothing is written and no server is asked.

    Raises:
        ConfigError: a logger has no such setting, or is not installed; names its key.
    """
    for name in _chosen(cfg):
        make = build(cfg, f"logger.{name}")
        for package in EXTRAS.get(name, ()):
            if find_spec(package) is None:
                raise ConfigError(f"logger.{name}: {package} is not installed; {remedy(package)}")
        known, options = inspect.signature(make.func).parameters, make.keywords
        takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values())
        for key in () if takes_any else options.keys() - known.keys():
            raise ConfigError(f"logger.{name}.{key}: no such setting{did_you_mean(key, known)}")


def make_loggers(cfg: DictConfig, run_dir: Path) -> list[Logger]:
    """Return the loggers of a training in `run_dir`.

    Raises:
        ConfigError: a logger refuses its settings or is not installed; names its key.
    """
    check_loggers(cfg)
    return [_make(cfg, name, run_dir) for name in _chosen(cfg)]


def _chosen(cfg: DictConfig) -> list[str]:
    return [str(name) for name, node in cfg.logger.items() if node]


def _make(cfg: DictConfig, name: str, run_dir: Path) -> Logger:
    make = build(cfg, f"logger.{name}")
    set_by_user = {key for key, value in make.keywords.items() if value is not None}
    names = _names(make.func, cfg, run_dir)
    own = {key: value for key, value in names.items() if key not in set_by_user}
    try:
        with _shared(make.func, cfg):
            logger: Logger = make(save_dir=str(run_dir), **own)
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(told(cfg, f"logger.{name}", str(error).splitlines()[0])) from error
    return logger


def _shared(kind: type[Logger], cfg: DictConfig) -> AbstractContextManager[Any]:
    """Return a lock for what all trainings write; MLflow makes its database in many steps."""
    if kind is not MLFlowLogger:
        return nullcontext()
    folder = Path(cfg.paths.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "mlflow", _CREATION_S)


def _names(kind: type[Logger], cfg: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Return how the run of a training is called, for loggers that keep runs side by side."""
    trial, study = _trial(cfg), OmegaConf.select(cfg, "hpo.study_name")
    name = run_dir.name if trial is None else f"trial {trial}"
    if kind is WandbLogger:
        # The same id after an interruption: wandb goes on with the run.
        run_id = hashlib.sha256(str(run_dir.absolute()).encode()).hexdigest()[:16]
        return {"group": study, "name": name, "id": run_id}
    if kind is MLFlowLogger:
        file = run_dir / _RUN_ID
        known = file.read_text().strip() if file.exists() else None
        return {"experiment_name": study or "mlpf", "run_name": name, "run_id": known}
    return {}


@contextmanager
def opened(loggers: Sequence[Logger], cfg: DictConfig, run_dir: Path) -> Iterator[None]:
    """Give the loggers the hyperparameters of the training; close their runs at the end."""
    for logger in loggers:
        _note_hyperparameters(logger, cfg, run_dir)
    try:
        yield
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                _close(logger)


@rank_zero_only
def _close(logger: WandbLogger) -> None:
    logger.experiment.finish()  # else the next trial of this process would go on with it


@rank_zero_only
def _note_hyperparameters(logger: Logger, cfg: DictConfig, run_dir: Path) -> None:
    values = hyperparameters(cfg)
    if isinstance(logger, MLFlowLogger):
        file = run_dir / _RUN_ID
        if file.exists():  # a resumed run has them, and MLflow refuses to change one
            return
        with _shared(MLFlowLogger, cfg):
            logger.log_hyperparams(values)
        file.write_text(f"{logger.run_id}\n")
        return
    logger.log_hyperparams(values)
    if isinstance(logger, TensorBoardLogger):
        _show_in_tensorboard(logger, _chosen_values(cfg, values), cfg.objective.name)


def _chosen_values(cfg: DictConfig, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the overrides of a trial set, and its number; all `values` outside a sweep."""
    trial = _trial(cfg)
    if trial is None:
        return values
    keys = (
        override.partition("=")[0].lstrip("+") for override in HydraConfig.get().overrides.task
    )
    return {**{key: values[key] for key in keys if key in values}, "trial": trial}


def _show_in_tensorboard(logger: TensorBoardLogger, values: Mapping[str, Any], name: str) -> None:
    """Fill the tab HPARAMS; its metric is the curve `name`, of which it shows the last value."""
    from torch.utils.tensorboard import summary

    # Lightning's own way would add an invented first value to the curve.
    writer = logger.experiment.file_writer
    if writer is not None:
        hparams: Any = summary.hparams  # not typed
        for record in hparams(dict(values), {name: 0.0}):
            writer.add_summary(record)


def hyperparameters(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of a training by key, with study and trial in a sweep.

    >>> hyperparameters(OmegaConf.create({"optimizer": {"lr": 0.1}, "hpo": None, "seed": 1}))
    {'optimizer.lr': 0.1, 'seed': 1}
    """
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    values = {str(k): v for k, v in _flat(plain) if k.partition(".")[0] not in _LEFT_OUT}
    trial = _trial(cfg)
    if trial is not None:
        values |= {"study": cfg.hpo.study_name, "trial": trial}
    return values


def _trial(cfg: DictConfig) -> int | None:
    """Return the number of the trial that this training is; None outside a sweep."""
    if OmegaConf.select(cfg, "hpo.study_name") is None or not HydraConfig.initialized():
        return None
    job: Any = HydraConfig.get().job
    number: int | None = OmegaConf.select(job, "num")
    return number


def _flat(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            is_plain = isinstance(value, bool | int | float | str)
            yield f"{prefix}{key}", value if is_plain else str(value)
