"""Ranks that another program started: two processes on this machine stand for two nodes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from mlpf.config import ConfigError
from mlpf.training.callbacks import read_history
from mlpf.training.fit import _trainer
from mlpf.training.ranks import Ranks, hydra_overrides, started_outside

HERE = Path(__file__).parent
SECOND_OF_FOUR = {
    "TORCHELASTIC_RUN_ID": "sweep",
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "0",
}


def environment(**variables):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    return inherited | {"PYTHONPATH": str(HERE.parents[2]), "OMP_NUM_THREADS": "1"} | variables


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_two_nodes(folder, steps):
    """Run the steps of `rank.py`; return the results of both ranks and what they printed."""
    (folder / "steps.json").write_text(json.dumps([{"port": free_port()} | s for s in steps]))
    ranks = []
    for rank in "01":
        place = {"RANK": rank, "GROUP_RANK": rank, "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
        sizes = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "sweep"}
        files = [str(folder / "steps.json"), str(folder / f"result{rank}.json")]
        ranks.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / "rank.py"), rank, *files],
                env=environment(**place, **sizes),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        printed = [rank.communicate(timeout=200)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], printed
    both = [json.loads((folder / f"result{rank}.json").read_text()) for rank in "01"]
    return list(zip(*both, strict=True)), printed


@pytest.fixture(scope="module")
def trained(compose_tiny, events_folder, tmp_path_factory):
    """Trainings one after another in the same two processes, and the folder of each."""
    folder = tmp_path_factory.mktemp("ranks")

    def config(name, *overrides):
        OmegaConf.save(compose_tiny("trainer=auto", *overrides), folder / name)
        return str(folder / name)

    report = "+callbacks.report={_target_: hpo.ReportTrial}"
    long = ("trainer.max_epochs=3", "model.dropout=0.2", report)
    usual = config("usual.yaml", *long)
    other = config("other.yaml", *long, "optimizer.lr=1e-3")
    numbers = {"n_events": "{train: 12, val: 6, test: 2}", "events_per_file": 20, "pileup": 0}
    generated = config(
        "generated.yaml",
        "trainer.max_epochs=1",
        "data=pythia8",
        "data.folder=${.source.folder}",
        f"data.source.folder={folder / 'events'}",
        "data.train=[train-*.parquet]",
        "data.val=[val-*.parquet]",
        "data.test=[test-*.parquet]",
        *[f"data.source.{key}={value}" for key, value in numbers.items()],
    )

    def step(name, config=usual, **changes):
        folders = [str(folder / name), str(folder / "not_used")]
        return {"config": config, "folders": folders, "port": free_port(), **changes}

    steps = {
        "straight": step("straight"),
        "stopped": step("stopped", stop_after=1),
        "resumed": step("stopped"),
        "refused": step("straight", config=other),
        "failed": step("failed", fail_in=2),
        "recovered": step("failed"),
        "made": step("made", config=generated, events=str(events_folder / "train.parquet")),
    }
    results, printed = run_two_nodes(folder, steps.values())
    return folder, dict(zip(steps, results, strict=True)), printed


def rows(folder):
    history = read_history(folder / "metrics.csv")
    return [{k: repr(v) for k, v in row.items() if k != "seconds"} for row in history]


def weights(folder, name):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def test_both_nodes_see_the_same_losses_and_return_the_same_value(trained):
    folder, results, _ = trained
    first, second = results["straight"]
    assert len(first["losses"]) == 3
    assert first["losses"] == second["losses"]
    history = [row["val_loss"] for row in read_history(folder / "straight/metrics.csv")]
    assert history == first["losses"]
    assert first["value"] == second["value"] == min(history)


def test_a_training_that_was_stopped_and_resumed_is_that_of_one_go(trained):
    folder, results, _ = trained
    assert [len(result["losses"]) for result in results["stopped"]] == [1, 1]
    assert [len(result["losses"]) for result in results["resumed"]] == [2, 2]
    assert rows(folder / "stopped") == rows(folder / "straight")
    for name in ("last", "best"):
        first, second = weights(folder / "stopped", name), weights(folder / "straight", name)
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_rank_0_alone_writes_and_speaks(trained):
    folder, _, printed = trained
    assert not (folder / "not_used").exists()
    found = {p.name for p in (folder / "straight").rglob("*") if p.is_file()}
    checkpoints = {f"{name}.ckpt" for name in ("best", "last", "previous")}
    assert found == {"config.yaml", "metrics.csv", "loss_curves.png"} | checkpoints
    assert "epoch" not in printed[1]


def test_a_rank_that_fails_ends_the_others_within_seconds(trained):
    _, results, _ = trained
    first, second = results["failed"]
    assert (second["error"], second["message"]) == ("MemoryError", "no memory left")
    assert first["error"] == "RuntimeError"
    assert first["seconds"] < 8  # it would wait for the ten seconds of rank 1


def test_a_training_follows_in_the_same_processes_after_a_failure(trained):
    folder, results, _ = trained
    assert [len(result["losses"]) for result in results["recovered"]] == [2, 2]
    assert rows(folder / "failed") == rows(folder / "straight")


def test_no_process_group_is_left_however_a_training_ended(trained):
    _, results, _ = trained
    assert not any(rank["group"] for both in results.values() for rank in both)


def test_a_mistake_that_rank_0_finds_is_named_by_all(trained):
    _, results, _ = trained
    for rank in results["refused"]:
        assert rank["error"] == "ConfigError"
        assert "straight holds a training with another `optimizer`" in rank["message"]


def test_nodes_that_share_a_file_system_make_the_events_once(trained):
    _, results, printed = trained
    first, second = results["made"]
    assert first["value"] == second["value"], printed
    assert "".join(printed).count("20 events in ") == 1


def test_torchrun_trains_once_in_one_folder(tiny, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={free_port()}", "-m", "mlpf.train", *tiny]
    command += ["trainer=auto", "trainer.max_epochs=1", "logger=tensorboard"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("2 ranks, 2 per node, train together") == 1
    [folder] = tmp_path.glob("outputs/train/*")
    assert len(read_history(folder / "metrics.csv")) == 1
    assert len(list(folder.glob("tensorboard/events*"))) == 1
    assert (folder / "train.log").read_text().count("epoch 1/1") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


@pytest.fixture
def second_of_four(monkeypatch):
    for name, value in SECOND_OF_FOUR.items():
        monkeypatch.setenv(name, value)


def test_another_number_of_devices_than_ranks_is_a_mistake(second_of_four, compose_tiny, tmp_path):
    cfg = compose_tiny("trainer=auto", "trainer.devices=3")
    told = "^trainer: devices=3, but 2 ranks were started on each node"
    with pytest.raises(ConfigError, match=told):
        _trainer(cfg, tmp_path, loggers=[])


def test_the_place_of_a_rank_follows_from_its_environment(second_of_four, monkeypatch):
    ranks = started_outside()
    assert ranks == Ranks(rank=1, world_size=4, local_rank=1, local_world_size=2)
    assert ranks.n_nodes == 2
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert started_outside() is None
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert started_outside() is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "", "RANK is not set"),
        ("LOCAL_WORLD_SIZE", "two", "LOCAL_WORLD_SIZE is two"),
        ("LOCAL_WORLD_SIZE", "3", "4 ranks are not a whole number of nodes"),
        ("LOCAL_WORLD_SIZE", "0", "4 ranks are not a whole number of nodes"),
    ],
)
def test_an_impossible_place_is_refused(second_of_four, monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        started_outside()


def test_hydra_writes_on_rank_0_alone(second_of_four, monkeypatch):
    assert "hydra.output_subdir=null" in hydra_overrides(["train.py"])
    monkeypatch.setenv("RANK", "0")
    assert hydra_overrides(["train.py"]) == []
