import json
from pathlib import Path
from types import SimpleNamespace

import hydra
import numpy as np
import pytest

from benchmarks.reproduce import events, scales
from benchmarks.reproduce.events import FULL, SIZES, Sample, count, full_arguments, main, row_of
from mlpf.config import config_dir
from mlpf.data.events import Events


def some_events():
    """Two events: two tracks of charged hadrons and a tower of a photon; one such tower."""
    x, y = np.zeros((4, 12)), np.zeros((4, 7))
    x[:, 0], y[:, 0] = (2, 2, 1, 1), (1, 1, 3, 3)
    return Events(x.astype("f4"), y.astype("f4"), y.astype("f4"), np.array([0, 3, 4]))


def test_elements_tracks_and_true_particles_are_counted_per_event():
    counts = {name: values.tolist() for name, values in count(some_events()).items()}
    assert counts == {
        "elements": [3, 1],
        "tracks": [2, 0],
        "charged hadron": [2, 0],
        "neutral hadron": [0, 0],
        "photon": [1, 1],
    }


def test_only_events_of_the_published_pileup_are_compared_with_published_ranges():
    counts = {
        "charged hadron": np.array([1900, 3401]),
        "neutral hadron": np.array([800, 801]),
        "photon": np.array([1, 1000]),
    }
    found = row_of(Sample("qcd", 200, 2), counts)["published"]
    assert {name: f["inside"] for name, f in found.items()} == {
        "charged hadron": 0.5,
        "neutral hadron": 1.0,
        "photon": 0.5,
    }
    assert row_of(Sample("ttbar", 20, 2), counts)["published"] == {}


@pytest.fixture
def generated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []
    source = SimpleNamespace(prepare=made.append, files=list)
    monkeypatch.setattr(Sample, "source", lambda *_: source)
    monkeypatch.setattr(events, "read_events", lambda *_: some_events())
    return made


def test_the_target_counts_each_sample_and_draws(generated, tmp_path, capsys):
    assert main(["scale=tiny"]) == 0
    assert generated == [1, 1, 1]
    stem = tmp_path / "results/repro_events_tiny"
    result = json.loads(stem.with_suffix(".json").read_text())
    assert [row["process"] for row in result["samples"]] == ["ttbar", "ttbar", "qcd"]
    assert result["samples"][0]["counts"]["elements"] == {"mean": 2, "std": 1, "min": 1, "max": 3}
    assert result["checked"] is False
    assert stem.with_suffix(".png").stat().st_size > 10_000
    assert "top pairs, pile-up 20" in capsys.readouterr().out


@pytest.mark.parametrize("is_there", [True, False])
def test_real_events_are_compared_where_they_are(
    is_there, generated, tmp_path, monkeypatch, capsys
):
    ran = []
    monkeypatch.setattr(scales, "run", lambda *words: ran.append(words))
    folder = tmp_path / "delphes"
    if is_there:
        folder.mkdir()
    assert main(["scale=small", f"delphes={folder}"]) == 0
    module = "benchmarks.reproduce.simulation"
    assert ran == ([(module, f"delphes={folder}")] if is_there else [])
    assert ("not there" in capsys.readouterr().out) is not is_there


def test_the_samples_are_three_pileups_and_qcd():
    samples = [(s.process, s.pileup) for s in SIZES["small"].samples]
    assert samples == [("ttbar", 0), ("ttbar", 20), ("ttbar", 200), ("qcd", 200)]
    source = SIZES["small"].samples[-1].source(Path("folder"), 7)
    assert (source.process, source.count_once, source.n_minbias) == ("qcd", False, 7)


@pytest.mark.parametrize("sample", FULL)
def test_the_commands_of_the_published_size_compose(sample, capsys):
    with hydra.initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = hydra.compose("generate", full_arguments(sample))
    assert sum(cfg.data.source.n_events.values()) == sample.n_events
    assert main(["scale=full"]) == 0
    assert f"data.source.process={sample.process}" in capsys.readouterr().out
