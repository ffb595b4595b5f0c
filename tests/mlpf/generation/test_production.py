"""Files to be made: their seeds, what they record, and when they are complete."""

import dataclasses

import numpy as np
import pytest

from mlpf import PythiaSource
from mlpf.data.events import from_arrays
from mlpf.data.files import write_events
from mlpf.generation.processes import choose
from mlpf.generation.production import EventFile, independent_seeds, portions

SETTINGS = {
    "process": "ttbar",
    "pileup": 20,
    "n_events": {"train": 5, "val": 2, "test": 0},
    "seed": 1,
    "n_minbias": 10,
    "events_per_file": 2,
}


@pytest.fixture
def files(tmp_path):
    return PythiaSource(folder=tmp_path, **SETTINGS).files()


def write(file: EventFile, n_events: int) -> None:
    rows = [np.ones((1, width)) for width in (12, 7, 7)]
    events = from_arrays(*([row] * n_events for row in rows))
    write_events(events, file.path, file.provenance())


def test_portions_add_up():
    assert portions(0, 3) == []
    assert portions(3, 3) == [3]
    assert portions(7, 3) == [3, 3, 1]


def test_all_files_have_their_own_seeds(files):
    assert len({file.seeds[0] for file in files}) == len(files)
    assert len({file.seeds[1].random() for file in files}) == len(files)
    assert all(1 <= file.seeds[0] <= 900_000_000 for file in files)


def test_training_shares_no_pool_with_the_other_splits(files):
    pools = {file.split: file.pool_path for file in files}
    assert pools["train"] != pools["val"]
    changed = SETTINGS | {"n_events": {"test": 1}}
    (test,) = PythiaSource(folder=files[0].path.parent, **changed).files()
    assert test.pool_path == pools["val"]


def test_seeds_depend_on_their_use_and_on_nothing_else():
    assert independent_seeds(1, 0, 0)[0] == independent_seeds(1, 0, 0)[0]
    seeds = {independent_seeds(seed, a, b)[0] for seed in (1, 2) for a in (0, 1) for b in (0, 1)}
    assert len(seeds) == 8


def test_a_complete_file_is_done_and_a_shorter_one_is_not(files):
    assert not files[0].is_done()
    write(files[0], 2)
    assert files[0].is_done()
    longer = dataclasses.replace(files[0], n_events=3)
    assert not longer.is_done()


@pytest.mark.parametrize(
    ("key", "value"),
    [("process", choose("qcd")), ("pileup", 20.5), ("seed", 2), ("n_minbias", 11)],
)
def test_a_file_of_other_settings_is_refused_by_name(files, key, value):
    write(files[0], 2)
    settings = dataclasses.replace(files[0].settings, **{key: value})
    other = dataclasses.replace(files[0], settings=settings)
    with pytest.raises(ValueError, match=rf"train-000\.parquet was made with {key}="):
        other.is_done()


def test_provenance_tells_how_to_make_the_file_again(files):
    provenance = files[1].provenance()
    assert provenance["generator"].startswith("pythia8mc 8.")
    assert provenance["made_by"].startswith("mlpf.generate ")
    assert provenance["pythia_seed"] == files[1].seeds[0]
    assert "Top:gg2ttbar = on" in provenance["settings"]
    assert "SoftQCD:nonDiffractive = on" in provenance["settings_pileup"]
    expected = {"process": "ttbar", "pileup": 20, "seed": 1, "split": "train", "file": 1}
    assert expected.items() <= provenance.items()
    assert "ygen_charge_of_tracks" in provenance["labels"]


def test_labels_as_published_are_recorded_and_not_mixed_with_corrected_ones(files, tmp_path):
    (published, *_) = PythiaSource(folder=tmp_path, **SETTINGS, count_once=False).files()
    assert "as published" in published.provenance()["labels"]["ygen_of_two_towers"]
    assert "counts once" in files[0].provenance()["labels"]["ygen_of_two_towers"]
    write(files[0], 2)
    with pytest.raises(ValueError, match="made with count_once=True, not count_once=False"):
        published.is_done()
