"""Files that appear whole or not at all, and networks read back from a run folder."""

import errno
import os
import zipfile

import numpy as np
import pytest
import torch

from mlpf.config import FileWriteError
from mlpf.training.checkpoint import AtomicCheckpointIO, EpochCheckpoints, restore, writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "last.ckpt"
    target.write_text("old")

    def write():
        with writing(target) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, "disk full")

    with pytest.raises(FileWriteError, match="disk full") as raised:
        write()
    assert raised.value.filename == str(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_checkpoint_is_written_where_it_belongs_and_read_without_running_code(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 3, "weight": torch.ones(2)}, path)
    assert list(path.parent.iterdir()) == [path]
    loaded = torch.load(path, weights_only=True)
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["weight"], torch.ones(2))


def tear(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    """Turn one bit of a weight, where torch would read the wrong number without a word."""
    content = bytearray(path.read_bytes())
    content[content.index(np.ones(50, np.float32).tobytes()) + 3] ^= 4
    path.write_bytes(content)
    torch.load(path, weights_only=True)


def empty(path):
    path.write_bytes(b"")


def no_checkpoint(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "whole, but something else")


DAMAGES = [tear, flip, empty, no_checkpoint]


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of epochs 1 (best), 2 and 3."""
    for epoch, name in enumerate(("best", "previous", "last"), 1):
        checkpoint = {"epoch": epoch, "weight": torch.ones(50)}
        AtomicCheckpointIO().save_checkpoint(checkpoint, tmp_path / f"{name}.ckpt")
    return tmp_path


def epoch_of(path):
    return torch.load(path, weights_only=True)["epoch"]


def test_whole_checkpoints_are_left_alone_without_a_word(folder, caplog):
    assert restore(folder) == folder / "last.ckpt"
    assert [epoch_of(folder / f"{n}.ckpt") for n in ("best", "previous", "last")] == [1, 2, 3]
    assert not caplog.records


def test_no_checkpoint_means_a_new_training(tmp_path, caplog):
    assert restore(tmp_path / "checkpoints") is None
    assert not caplog.records


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_previous_checkpoint_takes_the_place_of_a_damaged_last_one(folder, caplog, damage):
    damage(folder / "last.ckpt")
    assert restore(folder) == folder / "last.ckpt"
    assert epoch_of(folder / "last.ckpt") == epoch_of(folder / "previous.ckpt") == 2
    assert f"{folder / 'last.ckpt'} is damaged: " in caplog.text
    assert f"resuming from {folder / 'previous.ckpt'}" in caplog.text


def test_the_previous_checkpoint_serves_if_the_last_one_is_gone(folder):
    (folder / "last.ckpt").unlink()
    assert restore(folder) == folder / "last.ckpt"
    assert epoch_of(folder / "last.ckpt") == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_two_damaged_checkpoints_mean_a_new_training_and_a_warning(folder, caplog, damage):
    damage(folder / "last.ckpt")
    damage(folder / "previous.ckpt")
    assert restore(folder) is None
    assert "the training starts again" in caplog.text
    assert all(f"{folder / n}.ckpt is damaged" in caplog.text for n in ("last", "previous"))


def test_a_damaged_best_checkpoint_is_removed_with_a_warning(folder, caplog):
    flip(folder / "best.ckpt")
    assert restore(folder) == folder / "last.ckpt"
    assert not (folder / "best.ckpt").exists()
    assert f"{folder / 'best.ckpt'} is lost" in caplog.text


def test_what_a_killed_process_left_half_written_is_removed(folder):
    (folder / ".last.ckpt.123.partial").write_bytes(b"half")
    restore(folder)
    assert not list(folder.glob(".*"))


def test_a_link_that_the_file_system_refuses_becomes_a_copy(folder, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    tear(folder / "last.ckpt")
    restore(folder)
    assert epoch_of(folder / "last.ckpt") == 2
    assert not (folder / "last.ckpt").samefile(folder / "previous.ckpt")


def epochs(folder, values, **options):
    """Let the callback see an epoch with each value; return the values it saved as best."""
    callback, saved = EpochCheckpoints("v", **options), []

    class Trainer:
        default_root_dir, is_global_zero = folder, True

        def save_checkpoint(self, path, *, weights_only):
            path.parent.mkdir(exist_ok=True)
            path.write_text("checkpoint")
            if path.name == "best.ckpt":
                saved.append(float(self.callback_metrics["v"]))

    for value in values:
        trainer = Trainer()
        trainer.callback_metrics = {"v": torch.tensor(value)}
        callback.on_train_epoch_end(trainer, None)
    return saved


def test_the_best_checkpoint_is_that_of_the_best_finite_value(tmp_path):
    nan, inf = float("nan"), float("inf")
    assert epochs(tmp_path, [nan, 3.0, nan, 4.0, 2.0, -inf, 2.5]) == [3.0, 2.0]
    assert epochs(tmp_path, [0.25, nan, 0.5, inf, 0.375, 0.75], mode="max") == [0.25, 0.5, 0.75]


def test_a_mode_that_is_neither_is_refused():
    with pytest.raises(ValueError, match="mode must be min or max, got best"):
        EpochCheckpoints("v", mode="best")
