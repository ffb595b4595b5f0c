"""Checkpoints of a training: written atomically, read without running code from the file.

The checkpoint before the last is kept, as a hard link: the training can resume from it if the last
one is damaged, because its node failed before the file was on the disk or because the disk failed.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from commons.files import replacing
from mlpf.config import ConfigError, FileWriteError
from mlpf.network.saved import CHECKPOINTS, DamagedCheckpoint, read_checkpoint
from mlpf.training.lightning_internals import TorchCheckpointIO
from mlpf.training.objective import Objective

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a file beside the target and renames it: no reader sees half a file.

    Lightning's own writer goes through the system's temporary folder; when that is another file
    system than the run folder, as on a cluster, its last step is a copy and not atomic.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write `checkpoint` to `path`; `storage_options` is not used."""
        # In memory first: on a full disk the error of torch names neither the file nor the reason.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with writing(Path(path)) as partial:
            partial.write_bytes(buffer.getbuffer())


class EpochCheckpoints(Checkpoint):
    """Writes `checkpoints/last.ckpt` after every epoch and `best.ckpt` at each improvement.

    The checkpoint of the epoch before stays as `previous.ckpt`. If a resumed training has no
    `best.ckpt` any more, the best of the following epochs takes its place.

    Args:
        monitor: name of the logged value that decides. An epoch where it is not finite is never
            the best.
        mode: "min" if small values are good, "max" if large ones are.

    Raises:
        ValueError: `mode` is neither.

    >>> EpochCheckpoints(monitor="val_loss").state_dict()
    {'best': inf}
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "min") -> None:
        self.objective = Objective(monitor, mode)
        self.best = self.objective.worst

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.best = state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget a best value whose checkpoint is lost."""
        if not (Path(trainer.default_root_dir) / CHECKPOINTS / "best.ckpt").is_file():
            self.best = self.objective.worst

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make a `best.ckpt` if it was lost and no epoch followed."""
        folder = Path(trainer.default_root_dir) / CHECKPOINTS
        best, last = folder / "best.ckpt", folder / "last.ckpt"
        if trainer.is_global_zero and last.is_file() and not best.is_file():
            _copy(last, best)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the checkpoints; every rank takes part, rank 0 writes."""
        name, logged = self.objective.name, trainer.callback_metrics
        if name not in logged:
            raise ConfigError(f"callbacks.checkpoint.monitor: no {name} among {', '.join(logged)}")
        value = float(logged[name])
        folder = Path(trainer.default_root_dir) / CHECKPOINTS
        best, last = folder / "best.ckpt", folder / "last.ckpt"
        if not self.objective.is_better(value, than=self.best):
            if trainer.is_global_zero:
                _keep(last)
            trainer.save_checkpoint(last, weights_only=False)
            return
        self.best = value
        # Best first: a run killed between the two files repeats the epoch and writes both.
        trainer.save_checkpoint(best, weights_only=False)
        if trainer.is_global_zero:
            _keep(last)
            _copy(best, last)


def restore(folder: Path) -> Path | None:
    """Return the newest intact checkpoint, to resume from; None if there is none.

    A damaged `last.ckpt` is replaced by `previous.ckpt`, a damaged `best.ckpt` is removed; both
    with a warning. Files that a killed process left incomplete are removed.
    """
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)
    last, previous, best = (folder / f"{name}.ckpt" for name in ("last", "previous", "best"))
    existing = [file for file in (last, previous) if file.is_file()]
    intact = next((file for file in existing if _is_intact(file)), None)
    if intact is None:
        if existing:
            log.warning("%s holds no intact checkpoint: the training starts again", folder)
        return None
    if intact == previous:
        log.warning("resuming from %s, one epoch earlier", previous)
        # Otherwise the next epoch would keep the damaged file in place of the intact one.
        _copy(previous, last)
    if best.is_file() and not best.samefile(last) and not _is_intact(best):
        log.warning("%s is lost: the best of the following epochs will take its place", best)
        best.unlink(missing_ok=True)
    return last


def _is_intact(file: Path) -> bool:
    try:
        read_checkpoint(file)
    except DamagedCheckpoint as error:
        log.warning("%s is damaged: %s", file, error)
        return False
    return True


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Replace a file as `commons.files.replacing` does.

    Raises:
        FileWriteError: the file system is full or refuses; `target` is as before.
    """
    try:
        with replacing(target) as partial:
            yield partial
    except OSError as error:
        if error.errno is None:
            raise
        raise FileWriteError(error.errno, error.strerror, str(target)) from error


def _keep(last: Path) -> None:
    if last.is_file():
        _copy(last, last.with_name("previous.ckpt"))


def _copy(source: Path, target: Path) -> None:
    with writing(target) as partial:
        try:
            os.link(source, partial)
        except OSError:  # a file system without hard links
            shutil.copyfile(source, partial)
