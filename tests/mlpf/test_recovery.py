"""Trainings that go on after their files were damaged or their disk was full."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess

import pytest
import torch

from mlpf.config import FileWriteError
from mlpf.training.callbacks import read_history
from mlpf.training.fit import train
from mlpf.training.module import TrainingModule

FOUR_EPOCHS = ("trainer.max_epochs=4", "model.dropout=0.2", "scheduler=onecycle")


def rows(folder):
    """The metrics without the wall time; NaN compares as its text."""
    history = read_history(folder / "metrics.csv")
    return [{k: repr(v) for k, v in row.items() if k != "seconds"} for row in history]


def weights(folder, name):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(scope="module")
def run(compose_tiny, tmp_path_factory):
    """The folder of four epochs without a break, and the value that `train` returned."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, train(compose_tiny(*FOUR_EPOCHS), folder)


@pytest.fixture(scope="module")
def stopped(compose_tiny, tmp_path_factory):
    """A training that was killed in its third epoch; the second was the best."""
    folder = tmp_path_factory.mktemp("stopped")

    original = TrainingModule.training_step

    def step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (2, 1):
            raise MemoryError
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", step)
        with pytest.raises(MemoryError):
            train(compose_tiny(*FOUR_EPOCHS), folder)
    return folder


def tear(path):
    path.write_bytes(path.read_bytes()[:-100])  # in place: all names of the file are hit


def replace_by_nothing(path):
    path.unlink()  # this name alone is hit
    path.touch()


@pytest.mark.parametrize("damage", [tear, replace_by_nothing])
@pytest.mark.parametrize(
    ("damaged", "epochs"),
    [(["last"], [2, 3, 4]), (["last", "previous"], [1, 2, 3, 4]), (["previous"], [3, 4])],
)
def test_a_damaged_checkpoint_costs_epochs_but_changes_nothing(
    run, stopped, compose_tiny, tmp_path, monkeypatch, caplog, damaged, epochs, damage
):
    folder = tmp_path / "run"
    # As `cp -a`: best.ckpt and last.ckpt stay two names of one file.
    subprocess.run(["cp", "-a", stopped, folder], check=True)
    checkpoints = folder / "checkpoints"
    assert (checkpoints / "best.ckpt").samefile(checkpoints / "last.ckpt")
    for name in damaged:
        damage(checkpoints / f"{name}.ckpt")
    trained = []
    original = TrainingModule.on_train_epoch_start

    def record(self):
        trained.append(self.current_epoch + 1)
        original(self)

    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", record)
    assert train(compose_tiny(*FOUR_EPOCHS), folder) == run[1]
    assert trained == epochs
    said = [record.getMessage() for record in caplog.records]
    warned = {text.split(" is damaged")[0] for text in said if " is damaged" in text}
    expected = {str(checkpoints / f"{name}.ckpt") for name in damaged if "last" in damaged}
    if damage is tear and damaged == ["last"]:
        expected.add(str(checkpoints / "best.ckpt"))
    assert warned == expected
    assert rows(folder) == rows(run[0])
    for name in ("last", "best", "previous"):
        assert same(weights(folder, name), weights(run[0], name))


def test_the_epoch_before_the_last_is_kept(stopped):
    epochs = [
        torch.load(stopped / "checkpoints" / f"{name}.ckpt", weights_only=True)["epoch"]
        for name in ("previous", "last")
    ]
    assert epochs == [0, 1]


def test_a_lost_best_checkpoint_becomes_the_best_of_those_that_follow(
    run, compose_tiny, tmp_path, caplog
):
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    replace_by_nothing(folder / "checkpoints/best.ckpt")
    train(compose_tiny(*FOUR_EPOCHS), folder)
    assert "best.ckpt is lost" in caplog.text
    assert same(weights(folder, "best"), weights(folder, "last"))


@contextlib.contextmanager
def files_of_at_most(n_bytes):
    """No file of this process can grow beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_checkpoint_that_cannot_be_written_is_named_and_the_old_ones_stay(
    run, stopped, compose_tiny, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    before = contents(folder / "checkpoints")
    limit = len(before["last.ckpt"]) // 2  # of any file
    with pytest.raises(FileWriteError) as error, files_of_at_most(limit):
        train(compose_tiny(*FOUR_EPOCHS), folder)
    assert error.value.errno == errno.EFBIG
    assert str(folder / "checkpoints") in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(folder / "checkpoints") == before
    assert not list(folder.rglob("*.partial"))
    assert len(rows(folder)) == 3  # of an epoch that will be repeated
    train(compose_tiny(*FOUR_EPOCHS), folder)
    assert rows(folder) == rows(run[0])


def test_a_full_disk_leaves_the_files_of_the_last_epoch(compose_tiny, stopped, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    folder = disk / "run"
    size = sum(path.stat().st_size for path in stopped.rglob("*.ckpt"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here (needs root)")
    try:
        subprocess.run(["cp", "-a", stopped, folder], check=True)
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        # Room for small files.
        os.truncate(disk / "filler", (disk / "filler").stat().st_size - 3 * 4096)
        before = contents(folder / "checkpoints")
        with pytest.raises(FileWriteError, match="No space left on device") as error:
            train(compose_tiny(*FOUR_EPOCHS), folder)
        assert error.value.errno == errno.ENOSPC
        assert str(folder / "checkpoints") in str(error.value)
        assert "\n" not in str(error.value)
        assert contents(folder / "checkpoints") == before
        assert len(rows(folder)) == 3
        assert not list(disk.rglob("*.partial"))
    finally:
        subprocess.run(["umount", disk], check=True)
