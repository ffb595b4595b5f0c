"""What `mlpf.training.torch_internals` needs of PyTorch: a canary for upgrades."""

import os

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from mlpf.training.torch_internals import abort, disconnect


def test_the_error_of_a_spawned_process_ends_with_the_line_of_its_exception():
    assert ProcessRaisedException.__module__ == "torch.multiprocessing.spawn", (
        "torch moved ProcessRaisedException: adapt mlpf/training/torch_internals.py"
    )
    text = "\n-- Process 1 terminated\nTraceback ...\nKeyError: 'x'\n"
    assert str(ProcessRaisedException(text, 1, 1234)).strip().splitlines()[-1] == "KeyError: 'x'"


def test_a_process_group_can_be_aborted():
    assert callable(getattr(dist.ProcessGroup, "abort", None)), (
        "torch renamed ProcessGroup.abort: a failed rank of NCCL would wait for the others; "
        "adapt mlpf/training/torch_internals.py"
    )


def test_aborting_without_a_group_does_nothing():
    assert not dist.is_initialized()
    abort()


def test_a_disconnected_model_leaves_no_object_that_refers_to_the_group(tmp_path):
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = DistributedDataParallel(torch.nn.Linear(1, 1))
        group = model.process_group
        assert any(value is group for value in vars(model).values()), (
            "DistributedDataParallel no longer holds its process group: is disconnect needed?"
        )
        disconnect(model)
        assert vars(model) == {}
    finally:
        dist.destroy_process_group()
    assert os.environ.get("MASTER_ADDR") is None or not dist.is_initialized()
