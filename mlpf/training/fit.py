"""One training from a composed configuration: build, resume, train, summarize."""

from __future__ import annotations

import logging
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from commons.cli import did_you_mean
from mlpf.command import ended_in_one_line
from mlpf.config import ConfigError, DivergedError, FileWriteError, build, told
from mlpf.data.datamodule import EventDataModule
from mlpf.network.saved import CHECKPOINTS
from mlpf.physics.figures import NO_FASTJET
from mlpf.physics.jets import has_fastjet
from mlpf.torch_internals import ProcessRaisedException
from mlpf.training.callbacks import METRICS_FILE, read_history
from mlpf.training.checkpoint import restore
from mlpf.training.figures import (
    FIGURES,
    TIME,
    inference_time_ms,
    n_parameters,
    peak_memory_gb,
    reset_peak_memory,
)
from mlpf.training.initial import initialize
from mlpf.training.lightning_internals import MisconfigurationException
from mlpf.training.loggers import check_loggers, make_loggers, opened
from mlpf.training.module import TrainingModule
from mlpf.training.objective import Objective, objectives_of, with_objective
from mlpf.training.plots import PHYSICS, draw_loss_curves
from mlpf.training.ranks import joined, on_rank_0
from mlpf.training.resuming import check_same_training, record
from mlpf.training.trainer import quiet_lightning

log = logging.getLogger(__name__)

_CALLBACKS = {"metrics", "checkpoint", "report_trial"}  # those that log nothing themselves
_MAX_SEED = 2**32 - 1  # of numpy's global generator
# A login node has no GPU, and its command is one process.
_ANYWHERE: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
}


def fit(cfg: DictConfig) -> float | list[float]:
    """Train in the run folder of the Hydra job and return the best value, as `train`."""
    with ended_in_one_line():
        return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def check_training(cfg: DictConfig) -> None:
    """Check whether a training of this configuration could begin, on a machine without its GPUs.

    No event is made and no file is written; events of up to 256 MiB are read and checked.

    Args:
        cfg: the composition of `conf/train.yaml`.

    Raises:
        ConfigError: it could not.

    >>> from hydra import compose, initialize_config_dir
    >>> from mlpf.config import config_dir
    >>> with initialize_config_dir(config_dir(), version_base="1.3"):
    ...     cfg = compose("train", ["model=gnn_lsh_small", "trainer.max_epochs=0"])
    >>> check_training(cfg)
    Traceback (most recent call last):
    mlpf.config.ConfigError: trainer.max_epochs must be an integer >= 1, got 0
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _plain_exceptions():
        quiet_lightning()
        _check_seed(cfg)
        cfg = with_objective(cfg)
        module = _module(cfg)
        _objective(cfg, module)
        initialize(module.network, cfg)
        data = build(cfg, "data")
        if isinstance(data, EventDataModule):
            data.check()
        check_loggers(cfg)
        _trainer(cfg, Path(folder), loggers=[], **_ANYWHERE)


def train(cfg: DictConfig, run_dir: Path) -> float | list[float]:
    """Train in `run_dir` and return the best value of `cfg.objective` over the epochs.

    Several objectives, `objective.name=[...]`, give a list in that order: values of the epoch that
    is best by the first one, and `n_parameters`, `inference_time_ms` (CPU time per event) and
    `peak_memory_gb` of the training.

    If the folder holds `checkpoints/last.ckpt`, the training resumes exactly as if it had never
    stopped, or from `previous.ckpt` if that file is damaged. A finished training is only
    summarized. Ranks that torchrun started train together in the folder of rank 0; only rank 0
    writes files, and all return the same value.

    Args:
        cfg: the composition of `conf/train.yaml`.
        run_dir: receives `config.yaml`, `metrics.csv`, `loss_curves.png` and `checkpoints/`.

    Raises:
        ConfigError: the configuration or a file that it names is wrong, or `run_dir` holds a
            training with other settings.
        DivergedError: the loss became NaN or infinite.
        FileWriteError: the disk is full; the files of the last epoch are intact.
    """
    _check_seed(cfg)
    accelerator = cfg.trainer.get("accelerator", "auto")
    with warnings.catch_warnings(), _plain_exceptions(), joined(accelerator):
        quiet_lightning()
        cfg = with_objective(cfg)
        return _train(cfg, on_rank_0(lambda: run_dir))  # ranks may name it by different times


def _train(cfg: DictConfig, run_dir: Path) -> float | list[float]:
    resume = on_rank_0(lambda: _start(cfg, run_dir))
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    module, data = _module(cfg), build(cfg, "data")
    trainer = _trainer(cfg, run_dir, loggers=make_loggers(cfg, run_dir))
    if resume is None:
        initialize(module.network, cfg)
    objective = _objective(cfg, module)
    reset_peak_memory()
    with opened(trainer.loggers, cfg, run_dir):
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    return on_rank_0(lambda: _result(cfg, module, data, _summarize(objective, run_dir)))


def _result(
    cfg: DictConfig, module: TrainingModule, data: Any, best: dict[str, float]
) -> float | list[float]:
    """Return the objective at its best epoch, or several; note the figures of the training."""
    names, bounds = objectives_of(cfg), _bounds(cfg)
    figures = {name: best[name] for name in bounds if name in best}
    figures["peak_memory_gb"] = peak_memory_gb()
    figures["n_parameters"] = n_parameters(module.network)
    if TIME in {*names, *bounds}:  # it takes as long as a few batches on the CPU
        figures[TIME] = inference_time_ms(module.network, data.val_dataloader())
    if OmegaConf.select(cfg, "hpo.note_figures") is not None:
        build(cfg, "hpo.note_figures")(figures)
    if not names:
        return best[cfg.objective.name]
    known = {**best, **figures}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"objective.name: {unknown[0]} is not logged")
    return [known[name] for name in names]


def _bounds(cfg: DictConfig) -> list[str]:
    """Return the names of the figures that a search has constraints on."""
    return [str(name) for name in OmegaConf.select(cfg, "hpo.goals.constraints") or {}]


def _start(cfg: DictConfig, run_dir: Path) -> Path | None:
    """Prepare the folder and return the checkpoint to resume from."""
    resume = restore(run_dir / CHECKPOINTS)
    if resume:
        check_same_training(cfg, run_dir, resume)
        log.info("resuming from %s", resume)
    record(cfg, run_dir, is_resumed=resume is not None)
    return resume


def _objective(cfg: DictConfig, module: TrainingModule) -> Objective:
    """Return what decides which epoch is best; a wrong name is told before the first epoch.

    A figure of `mlpf.evaluate` that is not logged by default is logged if it decides.
    """
    objective, names = Objective(cfg.objective.name, cfg.objective.mode), objectives_of(cfg)
    for name in module.physics.weights:
        _log_also(module, "physics.weights", f"val_{name}")
    if objective.name in FIGURES:
        raise ConfigError(
            f"objective.name: {objective.name} is known when a training has ended, so it cannot "
            "decide which epoch is best; a logged value must decide: the first one, "
            "[val_loss,...], or the one that hpo.goals.prune_by names"
        )
    if not set(cfg.callbacks) - _CALLBACKS:  # another one may log anything
        for name in names or [objective.name]:
            _log_also(module, "objective.name", name, FIGURES if names else ())
        for name in _bounds(cfg):
            _log_also(module, "hpo.goals.constraints", name, FIGURES)
    return objective


def _log_also(module: TrainingModule, key: str, name: str, others: Sequence[str] = ()) -> None:
    """Let a value be logged; `others` are known besides."""
    logged, figure = module.metric_names(), name.removeprefix("val_")
    if name in logged or name in others:
        return
    if name.startswith("val_jet") and not has_fastjet():
        raise ConfigError(f"{key}: {name} needs {NO_FASTJET}")
    known = module.physics.known()
    if name != figure and figure in known:
        module.physics.include(figure)
        return
    hint = did_you_mean(name, [*logged, *others, *(f"val_{each}" for each in known)])
    first = [*others, *(each for each in logged if each.startswith("val_"))]
    names = ", ".join(dict.fromkeys([*first, *logged]))
    raise ConfigError(f"{key}: no {name} among the logged values{hint}; they are {names}")


def _check_seed(cfg: DictConfig) -> None:
    if not isinstance(cfg.seed, int) or not 0 <= cfg.seed <= _MAX_SEED:
        limit = f" and <= {_MAX_SEED}" if isinstance(cfg.seed, int) and cfg.seed > 0 else ""
        raise ConfigError(f"seed must be an integer >= 0{limit}, got {cfg.seed}")


def _module(cfg: DictConfig) -> TrainingModule:
    module = TrainingModule(
        network=build(cfg, "model"),
        loss=build(cfg, "loss"),
        optimizer=build(cfg, "optimizer"),
        scheduler=build(cfg, "scheduler"),
        seed=cfg.seed,
        physics=build(cfg, "physics"),
    )
    try:  # their values are checked only when they are built
        module.make_optimizer(total_steps=1)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer and scheduler: {error}") from error
    return module


def _trainer(cfg: DictConfig, run_dir: Path, **options: Any) -> pl.Trainer:
    callbacks = [build(cfg.callbacks, name) for name, node in cfg.callbacks.items() if node]
    factory: Callable[..., pl.Trainer] = build(cfg, "trainer")
    try:
        return factory(callbacks=callbacks, run_dir=run_dir, **options)
    except (ImportError, MisconfigurationException, TypeError, ValueError) as error:
        raise ConfigError(told(cfg, "trainer", _line(error))) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _plain_exceptions() -> Iterator[None]:
    """Raise the original exceptions in place of those that Lightning makes of them."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from error
    except MisconfigurationException as error:  # what Lightning finds when it starts
        raise ConfigError(f"trainer: {_line(error)}") from error
    except SystemExit:  # Ctrl-C, after which Lightning ignores any further one
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt("run the same command with the same folder to resume") from None
    except ProcessRaisedException as error:  # a rank of `trainer=ddp`
        name, _, message = str(error).strip().splitlines()[-1].partition(": ")
        for kind in (ConfigError, DivergedError, FileWriteError):
            if name == f"{kind.__module__}.{kind.__name__}":
                raise kind(message) from error
        raise


def _summarize(objective: Objective, run_dir: Path) -> dict[str, float]:
    history = read_history(run_dir / METRICS_FILE)
    if not history:
        raise ConfigError(f"{run_dir / METRICS_FILE}: no epoch in it; callbacks.metrics writes it")
    best = objective.best(history)
    if best is None:
        raise ConfigError(f"{run_dir / METRICS_FILE}: no finite {objective.name} in any epoch")
    draw_loss_curves(history, run_dir / "loss_curves.png")
    values = [f"{name} {best[name]:.6g}" for name in dict.fromkeys([objective.name, "val_loss"])]
    physics = [f"{text} {best[name]:.4f}" for name, text in PHYSICS.items() if name in best]
    log.info(
        "best epoch %.0f of %d: %s, tower accuracy %.4f (rule-based %.4f)%s; files in %s",
        best["epoch"],
        len(history),
        ", ".join(values),
        best["val_tower_accuracy"],
        best["val_rule_based_tower_accuracy"],
        "".join(f", {figure}" for figure in physics),
        run_dir,
    )
    return best
