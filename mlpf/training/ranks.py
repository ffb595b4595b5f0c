"""Ranks (processes) of one training that another program started, in the way of torchrun.

torchrun, or the worker of a sweep, starts every rank with RANK, WORLD_SIZE, LOCAL_RANK,
LOCAL_WORLD_SIZE, GROUP_RANK, MASTER_ADDR, MASTER_PORT and TORCHELASTIC_RUN_ID. Ranks of SLURM
(`srun`) or of `trainer=ddp` are managed by Lightning; only their process group is destroyed here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from hydra.errors import CompactHydraException
from pytorch_lightning.callbacks import Callback
from torch.nn.parallel import DistributedDataParallel

from mlpf.config import ConfigError
from mlpf.torch_internals import abort, disconnect
from mlpf.training.lightning_internals import TorchElasticEnvironment

log = logging.getLogger("mlpf")

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The position of this process among the ranks."""

    rank: int  # from 0
    world_size: int  # number of processes, at least 2
    local_rank: int  # on this node, from 0
    local_world_size: int  # number of processes of this node; the same on all nodes

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.world_size // self.local_world_size


def started_outside() -> Ranks | None:
    """Return the position of this process; None if it trains alone or starts its ranks itself.

    Raises:
        ConfigError: a variable is missing or not a number, or the nodes have different numbers of
            ranks.
    """
    if not TorchElasticEnvironment.detect() or os.environ.get("WORLD_SIZE") == "1":
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    values = [os.environ.get(name, "") for name in names]
    for name, value in zip(names, values, strict=True):
        if not value.isdecimal():
            raise ConfigError(f"TORCHELASTIC_RUN_ID is set, but {name} is {value or 'not set'}")
    ranks = Ranks(*map(int, values))
    if ranks.local_world_size < 1 or ranks.world_size % ranks.local_world_size:
        raise ConfigError(
            f"{ranks.world_size} ranks are not a whole number of nodes "
            f"of LOCAL_WORLD_SIZE={ranks.local_world_size} ranks"
        )
    return ranks


@contextmanager
def joined(accelerator: str) -> Iterator[None]:
    """Be one rank of a training; its process group is destroyed afterwards, also after a failure.

    A rank that failed leaves the group at once, so that the others do not wait for it. A group
    that existed before stays. `accelerator` is that of `pytorch_lightning.Trainer`.

    Raises:
        ConfigError: as `started_outside`, or a GPU is missing.
    """
    ranks = started_outside()
    inherited, level = dist.is_initialized(), log.level
    try:
        if ranks and ranks.rank:
            log.setLevel(logging.WARNING)
        if ranks and not inherited:
            _join(ranks, accelerator)
        yield
    except BaseException:
        if not inherited:
            _leave(failed=True)
        raise
    else:
        if not inherited:
            _leave(failed=False)
    finally:
        log.setLevel(level)


class DisconnectOnError(Callback):
    """Closes the connections of a failed rank at once, before its error is handled."""

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the process group from the distributed model; no step follows."""
        model = trainer.strategy.model
        if isinstance(model, DistributedDataParallel):
            trainer.strategy.model = pl_module  # as Lightning's teardown does
            disconnect(model)


def on_rank_0(function: Callable[[], T]) -> T:
    """Return on all ranks what `function` returns on rank 0; without other ranks, just call it.

    Raises:
        CompactHydraException: rank 0 raised it; then every rank raises it. Any other exception
            is raised by rank 0 alone, and the others lose their connection.
    """
    if not dist.is_initialized():
        return function()
    outcome: list[T | CompactHydraException | None] = [None]
    if dist.get_rank() == 0:
        try:
            outcome = [function()]
        except CompactHydraException as error:
            outcome = [error]
    dist.broadcast_object_list(outcome)
    if isinstance(outcome[0], CompactHydraException):
        raise outcome[0]
    return outcome[0]  # type: ignore[return-value]


def hydra_overrides(arguments: Sequence[str]) -> list[str]:
    """Return the overrides that keep Hydra from writing files on other ranks than 0."""
    ranks = started_outside()
    if ranks is None or ranks.rank == 0 or {"-m", "--multirun"} & set(arguments):
        return []
    return ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]


def _join(ranks: Ranks, accelerator: str) -> None:
    """Make the group before Lightning does, which then uses it: it is needed earlier."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        dist.init_process_group("gloo")
        return
    n_gpus = torch.cuda.device_count()
    if ranks.local_rank >= n_gpus:
        raise ConfigError(f"trainer: LOCAL_RANK={ranks.local_rank}, but only {n_gpus} GPUs here")
    device = torch.device("cuda", ranks.local_rank)
    torch.cuda.set_device(device)
    dist.init_process_group("nccl", device_id=device)


def _leave(*, failed: bool) -> None:
    if not dist.is_initialized():
        return
    if failed and dist.get_backend() == "nccl":
        abort()
    else:
        dist.destroy_process_group()
