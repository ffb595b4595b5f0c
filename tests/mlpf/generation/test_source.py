from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from mlpf.config import ConfigError
from mlpf.data.datamodule import EventDataModule
from mlpf.data.events import from_arrays
from mlpf.data.files import write_events
from mlpf.generation.source import PythiaSource


def source(folder: Path, **changes: object) -> PythiaSource:
    options = {
        "process": "ttbar",
        "pileup": 0,
        "n_events": {"train": 4, "val": 2, "test": 2},
        "seed": 1,
        "n_minbias": 10,
        "events_per_file": 2,
    }
    return PythiaSource(folder=str(folder), **{**options, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"process": "higgs"},
            r"^process must be one of \['ttbar', 'qcd', 'gun'\] or a file \*\.cmnd, got 'higgs'",
        ),
        ({"process": "no.cmnd"}, r"^process no\.cmnd: No such file"),
        ({"process": "gun"}, "^gun: missing 1 required keyword-only argument: 'pid'"),
        ({"pileup": -1}, "^pileup must be a number from 0 to 1000, got -1"),
        ({"pileup": float("nan")}, "^pileup"),
        ({"pileup": "20"}, "^pileup"),
        ({"pileup": None}, "^pileup"),
        ({"n_events": {"training": 5}}, r"^n_events .*'training'"),
        ({"n_events": {"val": -1}}, r"^n_events\.val must be an integer >= 0"),
        ({"n_events": {"val": "x"}}, r"^n_events\.val must be an integer >= 0"),
        ({"seed": -1}, "^seed must be"),
        ({"n_minbias": 0}, "^n_minbias must be"),
        ({"events_per_file": 0}, "^events_per_file must be"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        source(tmp_path, **change)


def test_a_wrong_number_of_processes_is_named(tmp_path):
    with pytest.raises(ValueError, match="n_processes must be an integer >= 1, got 0"):
        source(tmp_path).prepare(n_processes=0)
    assert not list(tmp_path.iterdir())


def test_a_split_becomes_files_of_a_fixed_number_of_events(tmp_path):
    files = source(tmp_path, n_events={"train": 5, "val": 2, "test": 0}).files()
    assert [(file.path.name, file.n_events) for file in files] == [
        ("train-000.parquet", 2),
        ("train-001.parquet", 2),
        ("train-002.parquet", 1),
        ("val-000.parquet", 2),
    ]


def write(file, n_events):
    rows = [np.ones((1, width)) for width in (12, 7, 7)]
    write_events(from_arrays(*([row] * n_events for row in rows)), file.path, file.provenance())


def test_missing_files_alone_are_made(tmp_path, monkeypatch):
    made = []

    def make(files, n_processes):
        for file in files:
            write(file, file.n_events)
        made.append([file.path.name for file in files])
        return 1.0, 2.0

    monkeypatch.setattr("mlpf.generation.source.make_files", make)
    source(tmp_path).prepare()
    (tmp_path / "train-001.parquet").unlink()
    source(tmp_path).prepare()
    source(tmp_path).prepare()
    names = ["train-000.parquet", "train-001.parquet", "val-000.parquet", "test-000.parquet"]
    assert made == [names, ["train-001.parquet"]]


def test_more_events_than_asked_for_are_named(tmp_path):
    more = source(tmp_path, n_events={"train": 6, "val": 0, "test": 0})
    for file in more.files():
        write(file, 2)
    message = rf"{tmp_path} holds 6 train events, n_events\.train is 4"
    with pytest.raises(ValueError, match=message):
        source(tmp_path, n_events={"train": 4, "val": 0, "test": 0}).prepare()


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
    splits = {"train": ["train-*"], "val": ["val-*"], "test": [], "max_elements_per_batch": 500}
    data = EventDataModule(folder, **splits, source=source(folder, n_events=FEW))
    data.prepare_data()
    assert len(data.events("train")) == 2
    assert (folder / "train-000.parquet").stat().st_mtime_ns == made
    other = source(folder, n_events=FEW, seed=2)
    with pytest.raises(ConfigError, match=rf"{folder}.*seed=1.*seed=2"):
        EventDataModule(folder, **splits, source=other).prepare_data()
