"""Files that appear whole or not at all, and networks read back from a run folder."""

import pytest
import torch

from mlpf.checkpoint import AtomicCheckpointIO, load_network, replace_atomically
from mlpf.config import ConfigError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "last.ckpt"
    target.write_text("old")

    def fail(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_checkpoint_is_written_where_it_belongs_and_read_without_running_code(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 3, "weight": torch.ones(2)}, path)
    assert list(path.parent.iterdir()) == [path]
    loaded = torch.load(path, weights_only=True)
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["weight"], torch.ones(2))


def test_a_folder_without_a_training_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml: not found"):
        load_network(tmp_path)
