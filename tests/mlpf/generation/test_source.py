from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from mlpf.config import ConfigError
from mlpf.data.datamodule import EventDataModule
from mlpf.data.events import from_arrays, write_parquet
from mlpf.generation.source import PythiaSource

generate = pytest.importorskip("mlpf.generate", reason="mlpf.generate does not import")


def source(folder: Path, **changes: object) -> PythiaSource:
    options = {
        "process": "ttbar",
        "pileup": 0,
        "n_events": {"train": 4, "val": 2, "test": 2},
        "seed": 1,
        "n_minbias": 10,
        "events_per_file": 2,
    }
    return PythiaSource(str(folder), **{**options, **changes})


def test_the_source_asks_for_what_it_says(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(generate, "generate", lambda **kwargs: asked.append(kwargs))
    source(tmp_path, n_events={"train": 0, "val": 0, "test": 0}).prepare()
    assert asked == [
        {
            "folder": tmp_path,
            "process": "ttbar",
            "pileup": 0,
            "n_events": {"train": 0, "val": 0, "test": 0},
            "seed": 1,
            "n_minbias": 10,
            "events_per_file": 2,
            "count_once": True,
        }
    ]


def test_more_events_than_asked_for_are_named(tmp_path, monkeypatch):
    def fake(folder, **kwargs):
        event = np.ones((3, 12))
        write_parquet(
            from_arrays([event] * 6, [event[:, :7]] * 6, [event[:, :7]] * 6),
            folder / "train-000.parquet",
            {},
        )

    monkeypatch.setattr(generate, "generate", fake)
    with pytest.raises(
        ValueError, match=rf"{tmp_path} holds 6 train events, .*n_events\.train asks 4"
    ):
        source(tmp_path).prepare()


FEW = {"train": 2, "val": 0, "test": 0}


def prepare(folder: Path) -> None:
    source(folder, n_events=FEW).prepare()


def test_processes_that_start_together_make_the_events_once(tmp_path):
    pytest.importorskip("pythia8mc", reason="pythia8mc (the extra `simulation`) is not installed")
    folder = tmp_path / "events"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=prepare, args=(folder,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    made = (folder / "train-000.parquet").stat().st_mtime_ns
    data = EventDataModule(
        folder, ["train-*"], ["val-*"], [], 500, source=source(folder, n_events=FEW)
    )
    data.prepare_data()
    assert len(data.events("train")) == 2
    assert (folder / "train-000.parquet").stat().st_mtime_ns == made
    other = source(folder, n_events=FEW, seed=2)
    with pytest.raises(ConfigError, match=rf"{folder}.*seed=1.*seed=2"):
        EventDataModule(folder, ["train-*"], ["val-*"], [], 500, source=other).prepare_data()
