"""Everything of PyTorch outside of its documented interface that we use, in one place.

`tests/mlpf/training/test_torch_internals.py` says what of it is missing after an upgrade.
"""

from __future__ import annotations

import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

__all__ = ["ProcessRaisedException", "abort", "disconnect"]


def disconnect(model: DistributedDataParallel) -> None:
    """Take everything from a wrapped model, which is of no use afterwards.

    Gloo closes its connections only when no object refers to the process group any more, and the
    others wait until then. The model's reducer refers to it, and a traceback to the model. Tried
    without success on torch 2.13: `destroy_process_group`; `ProcessGroup.abort` before it;
    `traceback.clear_frames`, since a frame keeps the closure that Lightning calls the model by.
    """
    vars(model).clear()


def abort() -> None:
    """End the connections of NCCL without waiting for the others, who wait for this rank."""
    if dist.group.WORLD is not None and hasattr(dist.group.WORLD, "abort"):  # not before torch 2.8
        dist.group.WORLD.abort()
