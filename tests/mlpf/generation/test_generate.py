"""Files of events; every test here needs the `[simulation]` extra."""

import json
import subprocess

import numpy as np
import pytest

from commons.processes import this_host
from mlpf import PythiaSource, read_events
from mlpf.data.files import read_provenance
from mlpf.generation.pileup import Pool
from mlpf.schema import ElementType

SETTINGS = {
    "process": "ttbar",
    "pileup": 20,
    "n_events": {"train": 4, "val": 2, "test": 1},
    "seed": 3,
    "n_minbias": 60,
    "events_per_file": 2,
}
FILES = ["test-000", "train-000", "train-001", "val-000"]


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated with blanks")
    PythiaSource(folder=folder, **SETTINGS).prepare(n_processes=1)
    return folder


def test_the_files_asked_for_are_there(generated):
    assert sorted(path.stem for path in generated.glob("*.parquet")) == FILES
    sizes = {path.stem: len(read_events(path)) for path in generated.glob("*.parquet")}
    assert sizes == {"test-000": 1, "train-000": 2, "train-001": 2, "val-000": 2}
    assert not list(generated.rglob("*.partial"))


def test_events_are_full_of_tracks_and_towers(generated):
    events = read_events(generated / "train-000.parquet")
    assert np.all(events.sizes > 100)
    assert {ElementType.TOWER, ElementType.TRACK} == set(events.x[:, 0])
    assert np.isfinite(events.x).all()
    assert np.isfinite(events.ygen).all()
    assert np.isfinite(events.ycand).all()


def test_no_two_files_share_an_event(generated):
    first = [read_events(path).x[:3].tobytes() for path in generated.glob("*.parquet")]
    assert len(set(first)) == len(FILES)


def test_training_and_other_splits_have_different_pile_up(generated):
    seeds = {name: read_provenance(generated / f"{name}.parquet")["pool_seed"] for name in FILES}
    assert seeds["train-000"] == seeds["train-001"] != seeds["val-000"] == seeds["test-000"]
    one, two = (Pool.load(path) for path in (generated / "pythia").glob("*.npy"))
    assert len(one) == len(two) == 60
    assert not np.intersect1d(one.records["px"], two.records["px"]).size


def test_a_complete_folder_is_left_alone(generated):
    before = {path: path.stat().st_mtime_ns for path in generated.rglob("*") if path.is_file()}
    PythiaSource(folder=generated, **SETTINGS).prepare()
    after = {path: path.stat().st_mtime_ns for path in before}
    assert before == after


def test_the_lock_of_a_generation_that_was_killed_is_broken(generated):
    with subprocess.Popen(["true"]) as killed:
        pass
    owner = {"host": this_host(), "pid": killed.pid, "token": "theirs"}
    (generated / "generation.lock").write_text(json.dumps(owner))
    PythiaSource(folder=generated, **SETTINGS).prepare()
    assert not (generated / "generation.lock").exists()


def test_missing_files_are_made_again_equal_on_several_processes(generated):
    lost = [generated / "train-001.parquet", generated / "val-000.parquet"]
    before = [read_events(path) for path in lost]
    for path in lost:
        path.unlink()
    PythiaSource(folder=generated, **SETTINGS).prepare(n_processes=2)
    for path, events in zip(lost, before, strict=True):
        again = read_events(path)
        np.testing.assert_array_equal(again.x, events.x)
        np.testing.assert_array_equal(again.ygen, events.ygen)
        np.testing.assert_array_equal(again.ycand, events.ycand)


def test_events_of_other_settings_are_refused(generated):
    other = PythiaSource(folder=generated, **SETTINGS | {"seed": 4})
    with pytest.raises(ValueError, match="made with seed=3, not seed=4"):
        other.prepare()


def test_jets_are_generated_without_pile_up_and_without_a_pool(tmp_path):
    n_events = {"train": 2, "val": 0, "test": 0}
    changes = {"process": "qcd", "pileup": 0, "n_events": n_events}
    PythiaSource(folder=tmp_path, **SETTINGS | changes).prepare()
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["train-000.parquet"]
    assert not list(tmp_path.rglob("*.npy"))
    assert len(read_events(tmp_path / "train-000.parquet")) == 2
