"""Planning of a generation."""

import dataclasses

import numpy as np
import pytest

from mlpf.config import ConfigError
from mlpf.data.events import from_arrays, write_parquet
from mlpf.generation.production import Job, independent_seeds, plan, portions

SETTINGS = {
    "process": "ttbar",
    "pileup": 20,
    "n_events": {"train": 5, "val": 2, "test": 0},
    "seed": 1,
    "n_minbias": 10,
    "events_per_file": 2,
}


@pytest.fixture
def jobs(tmp_path):
    return plan(tmp_path, **SETTINGS)


def write(job: Job, n_events: int) -> None:
    rows = [np.ones((1, width)) for width in (12, 7, 7)]
    events = from_arrays(*([row] * n_events for row in rows))
    write_parquet(events, job.path, job.provenance())


def test_a_split_becomes_files_of_a_fixed_number_of_events(jobs):
    found = [(job.path.name, job.n_events) for job in jobs]
    assert found == [
        ("train-000.parquet", 2),
        ("train-001.parquet", 2),
        ("train-002.parquet", 1),
        ("val-000.parquet", 2),
    ]


def test_portions_add_up():
    assert portions(0, 3) == []
    assert portions(3, 3) == [3]
    assert portions(7, 3) == [3, 3, 1]


def test_all_files_have_their_own_seeds(jobs):
    assert len({job.seeds[0] for job in jobs}) == len(jobs)
    assert len({job.seeds[1].random() for job in jobs}) == len(jobs)
    assert all(1 <= job.seeds[0] <= 900_000_000 for job in jobs)


def test_training_shares_no_pool_with_the_other_splits(jobs):
    pools = {job.split: job.pool_path for job in jobs}
    assert pools["train"] != pools["val"]
    test = plan(jobs[0].path.parent, **SETTINGS | {"n_events": {"test": 1}})[0]
    assert test.pool_path == pools["val"]


def test_seeds_depend_on_their_use_and_on_nothing_else():
    assert independent_seeds(1, 0, 0)[0] == independent_seeds(1, 0, 0)[0]
    seeds = {independent_seeds(seed, a, b)[0] for seed in (1, 2) for a in (0, 1) for b in (0, 1)}
    assert len(seeds) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"process": "higgs"}, r"data\.source\.process must be one of \['ttbar', 'qcd'\], got"),
        ({"pileup": 30}, r"data\.source\.pileup must be one of \[0, 20, 50, 200\], got 30"),
        ({"pileup": None}, r"data\.source\.pileup"),
        ({"n_events": {"training": 5}}, r"data\.source\.n_events .*'training'"),
        ({"n_events": {"val": -1}}, r"data\.source\.n_events\.val must be an integer >= 0"),
        ({"n_events": {"val": "x"}}, r"data\.source\.n_events\.val must be an integer >= 0"),
        ({"seed": -1}, r"data\.source\.seed must be"),
        ({"n_minbias": 0}, r"data\.source\.n_minbias must be"),
        ({"events_per_file": 0}, r"data\.source\.events_per_file must be"),
    ],
)
def test_a_wrong_setting_is_named_by_its_key(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        plan(tmp_path, **SETTINGS | change)


def test_a_complete_file_is_done_and_a_shorter_one_is_not(jobs):
    assert not jobs[0].is_done()
    write(jobs[0], 2)
    assert jobs[0].is_done()
    longer = dataclasses.replace(jobs[0], n_events=3)
    assert not longer.is_done()


@pytest.mark.parametrize(
    ("key", "value"), [("process", "qcd"), ("pileup", 50), ("seed", 2), ("n_minbias", 11)]
)
def test_a_file_of_other_settings_is_refused_by_name(jobs, key, value):
    write(jobs[0], 2)
    other = dataclasses.replace(jobs[0], **{key: value})
    with pytest.raises(ConfigError, match=rf"train-000\.parquet was made with {key}="):
        other.is_done()


def test_provenance_tells_how_to_make_the_file_again(jobs):
    provenance = jobs[1].provenance()
    assert provenance["generator"].startswith("pythia8mc 8.")
    assert provenance["made_by"].startswith("mlpf.generate ")
    assert provenance["pythia_seed"] == jobs[1].seeds[0]
    assert "Top:gg2ttbar = on" in provenance["settings"]
    assert "SoftQCD:nonDiffractive = on" in provenance["settings_pileup"]
    expected = {"process": "ttbar", "pileup": 20, "seed": 1, "split": "train", "file": 1}
    assert expected.items() <= provenance.items()
    assert "ygen_charge_of_tracks" in provenance["labels"]


def test_labels_as_published_are_recorded_and_not_mixed_with_corrected_ones(jobs, tmp_path):
    (published, *_) = plan(tmp_path, **SETTINGS, count_once=False)
    assert "as published" in published.provenance()["labels"]["ygen_of_two_towers"]
    assert "counts once" in jobs[0].provenance()["labels"]["ygen_of_two_towers"]
    write(jobs[0], 2)
    with pytest.raises(ConfigError, match="made with count_once=True, asked is count_once=False"):
        published.is_done()
