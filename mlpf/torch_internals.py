"""Everything of PyTorch outside of its documented interface that we use, in one place.

`tests/mlpf/test_torch_internals.py` says what of it is missing after an upgrade.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch.distributed as dist
import torch.fx.experimental._config as shapes
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

__all__ = ["ProcessRaisedException", "abort", "any_size", "disconnect"]


def disconnect(model: DistributedDataParallel) -> None:
    """Remove all attributes of a wrapped model, which cannot be used afterwards.

    Gloo closes its connections only when no object refers to the process group any more; the other
    ranks wait until then. The reducer of the model refers to the group, and the traceback of an
    exception to the model. Three public ways do not help (torch 2.13): `destroy_process_group`;
    `ProcessGroup.abort` before it; `traceback.clear_frames`, because a frame keeps its function
    and so the closure with which Lightning calls the model.
    """
    vars(model).clear()


def abort() -> None:
    """Leave a group of NCCL without waiting for the other ranks, which wait for this one."""
    dist.distributed_c10d._abort_process_group()


def any_size() -> AbstractContextManager[None]:
    """Let sizes of an exported program be 0 and 1 too, which are special ones otherwise."""
    patched: AbstractContextManager[None] = shapes.patch(  # type: ignore[attr-defined]
        backed_size_oblivious=True
    )
    return patched
