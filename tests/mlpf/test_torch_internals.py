"""What we use of PyTorch outside of its documentation is there, or the upgrade is named."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mlpf.torch_internals import ProcessRaisedException, abort, disconnect
from tests.canary import missing

NEEDS = [
    "torch.multiprocessing.spawn:ProcessRaisedException(msg, error_index, error_pid)",
    "torch.distributed:distributed_c10d._abort_process_group()",
    "torch.fx.experimental._config:patch",
    "torch.fx.experimental._config:backed_size_oblivious",
    "model.process_group",
    "model.reducer",
]


def test_torch_has_what_we_use(tmp_path):
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = DistributedDataParallel(torch.nn.Linear(1, 1))
        lacks = missing("torch", NEEDS, {"model": model})
        disconnect(model)
        assert vars(model) == {}  # nothing of it refers to the group
    finally:
        dist.destroy_process_group()
    assert not lacks, lacks


def test_the_error_of_a_spawned_process_ends_with_the_line_of_its_exception():
    text = "\n-- Process 1 terminated\nTraceback ...\nKeyError: 'x'\n"
    assert str(ProcessRaisedException(text, 1, 1234)).strip().splitlines()[-1] == "KeyError: 'x'"


def test_an_aborted_group_is_gone(tmp_path):
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    abort()
    assert not dist.is_initialized()
