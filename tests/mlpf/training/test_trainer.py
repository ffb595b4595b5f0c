"""Threads, processes and options of the trainer."""

import os

import pytest
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.strategies import DDPStrategy

from mlpf.training.trainer import ProcessSettings, build_trainer, default_threads


def trainer(tmp_path, **changes):
    options = {
        "callbacks": [],
        "loggers": [],
        "run_dir": tmp_path,
        "threads": 1,
        "progress": False,
        "strategy": "auto",
        "max_epochs": 1,
        "accelerator": "cpu",
        "devices": 1,
        "enable_checkpointing": False,
    }
    return build_trainer(**(options | changes))


def test_threads_follow_omp_num_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == 3


@pytest.mark.parametrize("value", ["", "0", "many"])
def test_threads_are_at_most_the_cores_when_nothing_usable_is_set(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert 1 <= default_threads() <= len(os.sched_getaffinity(0))


def test_threads_are_set_inside_the_training_process(tmp_path):
    before = torch.get_num_threads()
    try:
        ProcessSettings(2).setup(trainer(tmp_path), None, "fit")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 0}, "threads must be >= 1"),
        ({"threads": "all"}, "threads must be >= 1"),
        ({"threads": 99_999}, "threads must be >= 1 and <= 1024"),
        ({"max_epochs": 0}, "max_epochs must be an integer >= 1, got 0"),
        ({"max_epochs": "ten"}, "max_epochs must be an integer >= 1, got ten"),
        ({"precision": "bf16-true"}, "precision must be 32-true, 16-mixed or bf16-mixed, got bf"),
        ({"precision": "64-true"}, "precision must be .* got 64-true"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches must be an integer >= 1, got 0"),
        ({"accumulate_grad_batches": 1.5}, "accumulate_grad_batches must be .* got 1.5"),
        ({"log_every_n_steps": "abc"}, "log_every_n_steps must be an integer >= 0, got abc"),
        ({"limit_val_batches": 0}, "limit_val_batches must be > 0, got 0"),
        ({"limit_train_batches": "abc"}, "limit_train_batches must be > 0, got abc"),
        ({"deterministic": "maybe"}, "deterministic must be true, false or warn, got maybe"),
        ({"num_nodes": 2}, "num_nodes=2, but neither srun nor torchrun started ranks"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        trainer(tmp_path, **changes)


@pytest.mark.parametrize("precision", ["32-true", 32, "bf16-mixed"])
def test_precisions_in_which_distances_have_32_bits_are_accepted(tmp_path, precision):
    assert trainer(tmp_path, precision=precision).precision in ("32-true", "bf16-mixed")


def test_an_option_that_lightning_does_not_know_is_refused(tmp_path):
    with pytest.raises(TypeError, match="max_epoch"):
        trainer(tmp_path, max_epoch=3)


def test_no_progress_bar_where_the_output_is_no_terminal(tmp_path):
    assert trainer(tmp_path, progress="auto").progress_bar_callback is None
    assert isinstance(trainer(tmp_path, progress=True).progress_bar_callback, RichProgressBar)


@pytest.fixture
def two_nodes(monkeypatch):
    """The environment of one of six ranks on two nodes."""
    for name, value in {
        "TORCHELASTIC_RUN_ID": "1",
        "WORLD_SIZE": "6",
        "RANK": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "3",
        "GROUP_RANK": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("in_slurm", [False, True])
@pytest.mark.parametrize("asked", [{}, {"devices": "auto"}, {"devices": 3, "num_nodes": 2}])
def test_ranks_that_torchrun_started_train_together(
    tmp_path, monkeypatch, two_nodes, asked, in_slurm
):
    if in_slurm:  # torchrun inside an allocation: SLURM shall not requeue a part of it
        monkeypatch.setenv("SLURM_NTASKS", "2")
        monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "1")
        monkeypatch.setenv("SLURM_JOB_NAME", "job")
    made = trainer(tmp_path, **({"devices": None} | asked))
    assert isinstance(made.strategy, DDPStrategy)
    assert (made.num_devices, made.num_nodes) == (3, 2)
    assert (made.world_size, made.global_rank, made.local_rank) == (6, 4, 1)
    assert isinstance(made.strategy.cluster_environment, TorchElasticEnvironment)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"devices": 1}, "devices=1, but 3 ranks were started on each node"),
        ({"devices": [0, 1]}, r"devices=\[0, 1\], but 3 ranks"),
        ({"num_nodes": 3}, "num_nodes=3, but ranks were started on 2 nodes"),
    ],
)
def test_other_numbers_than_those_of_torchrun_are_refused(tmp_path, two_nodes, asked, message):
    with pytest.raises(ValueError, match=message):
        trainer(tmp_path, **({"devices": None} | asked))


def test_ranks_of_srun_are_left_to_lightning_with_its_requeueing(tmp_path, monkeypatch):
    for name, value in {
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_JOB_NAME": "job",
        "SLURM_JOB_ID": "7",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
        "SLURM_NODEID": "0",
    }.items():
        monkeypatch.setenv(name, value)
    slurm = trainer(tmp_path, strategy="ddp", devices=2).strategy.cluster_environment
    assert isinstance(slurm, SLURMEnvironment)
    assert slurm.auto_requeue


def test_ddp_spawns_its_ranks_unless_they_are_started_outside(tmp_path, monkeypatch):
    strategy = trainer(tmp_path, strategy="ddp", devices=2).strategy
    assert isinstance(strategy, DDPStrategy)
    assert strategy._start_method == "spawn"
    for name, value in {
        "TORCHELASTIC_RUN_ID": "1",
        "WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }.items():
        monkeypatch.setenv(name, value)
    assert trainer(tmp_path, strategy="ddp", devices=2).strategy._start_method == "popen"
