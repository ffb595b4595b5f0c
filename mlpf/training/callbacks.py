"""The file `metrics.csv` that a training writes into its run folder: one row per epoch."""

from __future__ import annotations

import csv
import logging
import time
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from mlpf.config import ConfigError
from mlpf.training.checkpoint import writing

METRICS_FILE = "metrics.csv"
log = logging.getLogger(__name__)

History = list[dict[str, float]]


class MetricsFile(Callback):
    """Writes `metrics.csv`, one row per finished epoch.

    Its columns are `epoch` (from 1), `seconds` (wall time, validation included) and every metric
    that the training logs per epoch; the fake rate of a class that is never predicted is `nan`.
    A resumed run drops the rows of epochs that it repeats.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as run:  # what it writes and reads again
    ...     write_history([{"epoch": 1.0, "val_loss": 0.5}], Path(run, METRICS_FILE))
    ...     read_history(Path(run, METRICS_FILE))
    [{'epoch': 1.0, 'val_loss': 0.5}]
    """

    def __init__(self) -> None:
        self._history: History = []
        self._started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that the checkpoint contains."""
        past = read_history(Path(trainer.default_root_dir) / METRICS_FILE)
        self._history = [row for row in past if row["epoch"] <= trainer.current_epoch]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append the row of the epoch; only rank 0 writes the file."""
        if not trainer.is_global_zero:
            return
        row = {"epoch": trainer.current_epoch + 1, "seconds": time.perf_counter() - self._started}
        metrics = trainer.callback_metrics.items()
        row |= {name: float(value) for name, value in metrics if not name.endswith("_step")}
        self._history.append(row)
        write_history(self._history, Path(trainer.default_root_dir) / METRICS_FILE)
        # A log line would break a progress bar; printed text appears above it.
        show = trainer.print if trainer.progress_bar_callback else log.info
        show(_line(row, trainer.max_epochs))


def write_history(history: History, path: Path) -> None:
    """Write one row per epoch; the file is replaced atomically."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    rows = [row | {"epoch": int(row["epoch"])} for row in history]
    with writing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> History:
    """Return the rows of a `metrics.csv`; no rows if the file does not exist.

    Raises:
        ConfigError: it is damaged.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    except (csv.Error, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: damaged ({error}); delete it to go on without it") from error
    if not all("epoch" in row for row in rows):
        raise ConfigError(f"{path}: damaged, a row has no epoch; delete it to go on without it")
    return rows


def _line(row: dict[str, float], max_epochs: int | None) -> str:
    shown = ("train_loss", "val_loss", "val_tower_accuracy")
    metrics = [f"{name} {row[name]:.4f}" for name in shown if name in row]
    return f"epoch {row['epoch']:.0f}/{max_epochs}: {', '.join(metrics)}, {row['seconds']:.1f} s"
