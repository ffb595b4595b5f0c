"""The Lightning trainer: devices, processes, threads and progress display."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy, Strategy

from mlpf.config import check_at_least
from mlpf.training.checkpoint import AtomicCheckpointIO
from mlpf.training.lightning_internals import SLURMEnvironment, TorchElasticEnvironment
from mlpf.training.ranks import DisconnectOnError, Ranks, started_outside

log = logging.getLogger("mlpf")

_MAX_THREADS = 1024  # torch ends the process where it cannot start them
_TOLD_PRECISIONS = "32-true, 16-mixed or bf16-mixed"  # distances need 32 bit
_PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", 32, "32", 16, "16", "bf16")
_EXPECTED_WARNINGS = (
    ".*isinstance.treespec, LeafSpec.*",
    ".*does not have many workers.*",
    ".*number of training batches .* is smaller than the logging interval.*",
    ".*when logging on epoch level in distributed setting.*",  # sums are over all ranks already
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*GPU available but not used.*",
    ".*srun. command is available on your system but is not used.*",  # as on a login node
)


class ProcessSettings(Callback):
    """Gives each training process its log and `n_threads` CPU threads; None: `default_threads`."""

    def __init__(self, n_threads: int | None) -> None:
        self.n_threads = n_threads

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set threads and log. Lightning has already set OMP_NUM_THREADS to the rank's share."""
        torch.set_num_threads(self.n_threads or default_threads())
        if multiprocessing.parent_process() is not None:  # a new process: no log is configured
            quiet_lightning()
            logging.basicConfig(format="%(message)s")
            log.setLevel(logging.INFO if trainer.is_global_zero else logging.WARNING)


def quiet_lightning() -> None:
    """Silence advertisements and warnings about settings that are intended."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for message in _EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)


def build_trainer(
    *,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
    run_dir: Path,
    threads: int | str,
    progress: bool | str,
    strategy: str,
    max_epochs: int,
    devices: int | str | Sequence[int] | None = None,
    num_nodes: int | None = None,
    **options: Any,
) -> pl.Trainer:
    """Return a trainer that keeps its files in `run_dir`.

    Args:
        callbacks: called in this order.
        loggers: receive the logged values, in addition to `metrics.csv`.
        run_dir: folder of the checkpoints.
        threads: CPU threads of each process, or `auto` (`default_threads`).
        progress: show a progress bar; `auto`: only if the output is a terminal.
        strategy: a name that Lightning knows; `ddp` starts its own processes unless SLURM or
            torchrun did.
        max_epochs: at least 1.
        devices: processes per node, or which devices they use; `auto`: one per device. None: as
            many as torchrun started, otherwise one.
        num_nodes: at least 1. None: as many as torchrun started ranks on, otherwise one.
        options: further arguments of `pytorch_lightning.Trainer`.

    Raises:
        ValueError: a value is out of range, or `devices` or `num_nodes` disagrees with the ranks
            that torchrun started.
        TypeError: Lightning does not know an option.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     places = {"run_dir": Path(folder), "callbacks": [], "loggers": []}
    ...     shown = {"threads": 1, "progress": False, "strategy": "auto", "accelerator": "cpu"}
    ...     build_trainer(**places, **shown, max_epochs=3).max_epochs
    3
    """
    n_threads = None if threads == "auto" else threads
    if n_threads is not None and not (
        isinstance(n_threads, int) and 1 <= n_threads <= _MAX_THREADS
    ):
        raise ValueError(f"threads must be >= 1 and <= {_MAX_THREADS}, or auto, got {threads}")
    check_at_least(1, max_epochs=max_epochs)
    _check_options(options, num_nodes)
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        devices = list(devices)
    ranks = started_outside()
    if ranks:
        devices, num_nodes = _agreed(devices, num_nodes, ranks)
        strategy = "ddp" if strategy == "auto" else strategy
        log.info("%d ranks, %d per node, train together", ranks.world_size, ranks.local_world_size)
    show = sys.stdout.isatty() if progress == "auto" else bool(progress)
    bar = [RichProgressBar(leave=True)] if show else []
    return pl.Trainer(
        callbacks=[ProcessSettings(n_threads), DisconnectOnError(), *bar, *callbacks],
        logger=list(loggers),
        default_root_dir=run_dir,
        strategy=strategy if ranks else _strategy(strategy),
        devices=1 if devices is None else devices,
        num_nodes=1 if num_nodes is None else num_nodes,
        max_epochs=max_epochs,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=show,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the data module gives each rank its own events
        **options,
    )


def _check_options(options: Mapping[str, Any], num_nodes: int | None) -> None:
    """Refuse what Lightning takes, but fails with later, or in other words."""
    clip = options.get("gradient_clip_val")
    if clip is not None and (not isinstance(clip, int | float) or clip <= 0):
        raise ValueError(f"gradient_clip_val must be > 0 or null, got {clip}")
    precision = options.get("precision", 32)
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be {_TOLD_PRECISIONS}, got {precision}")
    check_at_least(1, accumulate_grad_batches=options.get("accumulate_grad_batches", 1))
    check_at_least(0, log_every_n_steps=options.get("log_every_n_steps", 0))
    for split in ("train", "val"):
        limit = options.get(f"limit_{split}_batches", 1)
        if not isinstance(limit, int | float) or limit <= 0:
            raise ValueError(f"limit_{split}_batches must be > 0, got {limit}")
    if options.get("deterministic") not in (None, True, False, "warn"):
        raise ValueError(
            f"deterministic must be true, false or warn, got {options['deterministic']}"
        )
    if num_nodes is not None:
        check_at_least(1, num_nodes=num_nodes)
        is_started = TorchElasticEnvironment.detect() or SLURMEnvironment.detect()
        if num_nodes > 1 and not is_started:
            raise ValueError(f"num_nodes={num_nodes}, but neither srun nor torchrun started ranks")


def default_threads() -> int:
    """Return OMP_NUM_THREADS if it is set, else the physical cores this process may use.

    A sweep sets the variable to 1 for workers that share a machine: more threads than cores make
    all of them several times slower.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen) > 0:
        return int(chosen)
    cpus = os.sched_getaffinity(0)
    topology = Path("/sys/devices/system/cpu")
    siblings = [topology / f"cpu{cpu}/topology/thread_siblings_list" for cpu in cpus]
    try:
        return len({file.read_text() for file in siblings})
    except OSError:
        return len(cpus)


def _agreed(
    devices: int | str | list[int] | None, num_nodes: int | None, ranks: Ranks
) -> tuple[int | str | list[int], int]:
    """Return the devices and nodes of the started ranks; refuse other numbers."""
    if devices is None or devices in ("auto", -1, "-1"):
        devices = ranks.local_world_size
    asked = len(devices) if isinstance(devices, list) else devices
    if str(asked) != str(ranks.local_world_size):
        raise ValueError(
            f"devices={devices}, but {ranks.local_world_size} ranks were started on each node"
        )
    if num_nodes not in (None, ranks.n_nodes):
        raise ValueError(f"num_nodes={num_nodes}, but ranks were started on {ranks.n_nodes} nodes")
    return devices, ranks.n_nodes


def _strategy(name: str) -> str | Strategy:
    """Spawn ranks instead of Lightning's own way, which runs the command line once per rank.

    The command line may be a whole sweep, and Hydra would give every rank another run folder.
    """
    if name == "ddp" and not TorchElasticEnvironment.detect() and not SLURMEnvironment.detect():
        return DDPStrategy(start_method="spawn")
    return name
