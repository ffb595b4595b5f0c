"""One training from a composed configuration: build, resume, train, summarise."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch.multiprocessing.spawn import ProcessRaisedException

from mlpf.callbacks import METRICS_FILE, History, read_history
from mlpf.checkpoint import FOLDER
from mlpf.config import ConfigError, build
from mlpf.module import TrainingModule
from mlpf.plots import draw_loss_curves

log = logging.getLogger(__name__)

_EXPECTED_WARNINGS = (
    ".*does not have many workers.*",
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*GPU available but not used.*",
)


def fit(cfg: DictConfig) -> float:
    """Train in the run folder of the Hydra job and return the best validation loss.

    If the folder holds `checkpoints/last.ckpt`, the training goes on from there exactly as if it
    had never stopped; a finished one is only summarised.

    Args:
        cfg: the composition of `conf/train.yaml`.

    Raises:
        ConfigError: the configuration or a file that it names is wrong.
        FloatingPointError: the loss became NaN or infinite.
    """
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, run_dir / "config.yaml", resolve=True)
    with _quiet_lightning():
        train(cfg, run_dir)
    history = read_history(run_dir / METRICS_FILE)
    return _summarise(history, run_dir)


def train(cfg: DictConfig, run_dir: Path) -> None:
    """Build the parts that `cfg` names and train, resuming from `run_dir` if possible.

    Raises:
        ConfigError: a part refuses its configuration, or its data are missing or broken.
        FloatingPointError: the loss became NaN or infinite.
    """
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    module = TrainingModule(
        network=build(cfg, "model"),
        loss=build(cfg, "loss"),
        optimizer=build(cfg, "optimizer"),
        scheduler=build(cfg, "scheduler"),
        seed=cfg.seed,
    )
    data: pl.LightningDataModule = build(cfg, "data")
    trainer = _trainer(cfg, run_dir)
    last = run_dir / FOLDER / "last.ckpt"
    resume = last if last.is_file() else None
    if resume:
        log.info("resuming from %s", resume)
    with _plain_exceptions():
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)


def _trainer(cfg: DictConfig, run_dir: Path) -> pl.Trainer:
    callbacks = [build(cfg.callbacks, name) for name, node in cfg.callbacks.items() if node]
    loggers = [
        build(cfg.logger, name)(save_dir=run_dir) for name, node in cfg.logger.items() if node
    ]
    factory: Callable[..., pl.Trainer] = build(cfg, "trainer")
    try:
        return factory(callbacks=callbacks, loggers=loggers, run_dir=run_dir)
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise ConfigError(f"trainer: {error}") from error


@contextmanager
def _plain_exceptions() -> Iterator[None]:
    """Undo what Lightning makes of exceptions: callers see the one that happened."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from error
    except SystemExit:  # Ctrl-C, after which Lightning ignores any further one
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    except ProcessRaisedException as error:  # a rank of `trainer=ddp`
        reason = str(error).strip().splitlines()[-1]
        if reason.startswith("FloatingPointError: "):
            raise FloatingPointError(reason.removeprefix("FloatingPointError: ")) from error
        raise


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence advertisements and advice on settings that were chosen on purpose."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield
    logger.setLevel(level)


def _summarise(history: History, run_dir: Path) -> float:
    best = min(history, key=lambda row: row["val_loss"])
    draw_loss_curves(history, run_dir / "loss_curves.png")
    accuracy = (
        f", tower accuracy {best['val_tower_accuracy']:.4f}"
        if "val_tower_accuracy" in best
        else ""
    )
    log.info(
        "best epoch %.0f of %d: val_loss %.6g%s; files in %s",
        best["epoch"],
        len(history),
        best["val_loss"],
        accuracy,
        run_dir,
    )
    return best["val_loss"]
