"""Events from Pythia; every test here needs the `[simulation]` extra."""

import subprocess
import sys

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from benchmarks.reproduce.comparison import COUNTS
from benchmarks.reproduce.simulation import Task, hard_collisions, simulate
from mlpf.config import ConfigError, config_dir
from mlpf.data.events import read_parquet, read_provenance
from mlpf.generate import generate, make_events, run
from mlpf.generation.pileup import Pool
from mlpf.generation.production import MINIMUM_BIAS, PROCESSES
from mlpf.schema import ElementType

# Means over the first 200 events of the Delphes file tev14_pythia8_ttbar_pu0_0 (see
# docs/simulation.md), labels as published. `hard_collisions` makes the same collisions.
DELPHES_MEANS = {
    "elements": 149.91,
    "tracks": 71.53,
    "ECAL towers, abs(eta) < 3": 38.58,
    "HCAL towers, abs(eta) < 3": 19.16,
    "HF towers, em": 8.16,
    "HF towers, had": 12.47,
    "ygen none": 14.09,
    "ygen charged hadron": 71.65,
    "ygen neutral hadron": 20.33,
    "ygen photon": 41.97,
    "ycand none": 11.27,
    "ycand charged hadron": 69.89,
    "ycand neutral hadron": 21.09,
    "ycand photon": 46.02,
}
DELPHES_QUANTILES = {  # 10, 50, 90 %
    "track pt": [0.461, 1.408, 7.915],
    "tower ET": [0.751, 1.944, 11.000],
    "ygen photon E": [0.873, 3.671, 28.211],
}
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
    generate(folder, **SETTINGS, n_processes=1)
    return folder


def test_the_files_asked_for_are_there(generated):
    assert sorted(path.stem for path in generated.glob("*.parquet")) == FILES
    sizes = {path.stem: len(read_parquet(path)) for path in generated.glob("*.parquet")}
    assert sizes == {"test-000": 1, "train-000": 2, "train-001": 2, "val-000": 2}
    assert not list(generated.rglob("*.partial"))


def test_events_are_full_of_tracks_and_towers(generated):
    events = read_parquet(generated / "train-000.parquet")
    assert np.all(events.sizes > 100)
    assert {ElementType.TOWER, ElementType.TRACK} == set(events.x[:, 0])
    assert np.isfinite(events.x).all()
    assert np.isfinite(events.ygen).all()
    assert np.isfinite(events.ycand).all()


def test_no_two_files_share_an_event(generated):
    first = [read_parquet(path).x[:3].tobytes() for path in generated.glob("*.parquet")]
    assert len(set(first)) == len(FILES)


def test_training_and_other_splits_have_different_pile_up(generated):
    seeds = {name: read_provenance(generated / f"{name}.parquet")["pool_seed"] for name in FILES}
    assert seeds["train-000"] == seeds["train-001"] != seeds["val-000"] == seeds["test-000"]
    one, two = (Pool.load(path) for path in (generated / "pythia").glob("*.npz"))
    assert len(one) == len(two) == 60
    assert not np.intersect1d(one.records["px"], two.records["px"]).size


def test_a_complete_folder_is_left_alone(generated):
    before = {path: path.stat().st_mtime_ns for path in generated.rglob("*") if path.is_file()}
    generate(generated, **SETTINGS)
    after = {path: path.stat().st_mtime_ns for path in before}
    before.pop(generated / ".lock")
    after.pop(generated / ".lock")
    assert before == after


def test_missing_files_are_made_again_equal_on_several_processes(generated):
    lost = [generated / "train-001.parquet", generated / "val-000.parquet"]
    before = [read_parquet(path) for path in lost]
    for path in lost:
        path.unlink()
    generate(generated, **SETTINGS, n_processes=2)
    for path, events in zip(lost, before, strict=True):
        again = read_parquet(path)
        np.testing.assert_array_equal(again.x, events.x)
        np.testing.assert_array_equal(again.ygen, events.ygen)
        np.testing.assert_array_equal(again.ycand, events.ycand)


def test_events_of_other_settings_are_refused(generated):
    with pytest.raises(ConfigError, match="made with seed=3, asked is seed=4"):
        generate(generated, **SETTINGS | {"seed": 4})


def test_jets_are_generated_without_pile_up_and_without_a_pool(tmp_path):
    n_events = {"train": 2, "val": 0, "test": 0}
    generate(tmp_path, **SETTINGS | {"process": "qcd", "pileup": 0, "n_events": n_events})
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["train-000.parquet"]
    assert not list(tmp_path.rglob("*.npz"))
    assert len(read_parquet(tmp_path / "train-000.parquet")) == 2


def test_minimum_bias_particles_are_stable_visible_and_charged_as_their_name(generated):
    (batch,) = make_events(MINIMUM_BIAS, 20, 1, generated / "pythia")
    codes = np.abs(batch.records["pid"])
    assert not np.isin(codes, (12, 14, 16, 111)).any()
    assert np.isin(211, codes)
    for pid, charge in {211: 1, -211: -1, 22: 0, 11: -1, -11: 1, 2212: 1, 130: 0}.items():
        assert set(batch.records["charge"][batch.records["pid"] == pid]) <= {charge}
    assert 100 < len(batch.records) / 20 < 220


def test_without_pythia_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(ConfigError, match=r"pythia8mc: pip install 'mlpf-hpo\[simulation\]'"):
        generate(tmp_path, **SETTINGS)


def test_simulated_events_agree_with_delphes(tmp_path):
    hard = hard_collisions((200, 1004))
    events, _ = simulate(Task(hard, 0, tmp_path, (1,)))
    for name, expected in DELPHES_MEANS.items():
        mean = COUNTS[name](events).sum() / len(events)
        # the same collisions, so what is left is the chance of the detector
        np.testing.assert_allclose(mean, expected, rtol=0.03, err_msg=name)
    tower = events.x[:, 0] == ElementType.TOWER
    values = {
        "track pt": events.x[~tower, 1],
        "tower ET": events.x[tower, 1],
        "ygen photon E": events.ygen[events.ygen[:, 0] == 3, 6],
    }
    for name, expected in DELPHES_QUANTILES.items():
        quantiles = np.quantile(values[name], [0.1, 0.5, 0.9])
        np.testing.assert_allclose(quantiles, expected, rtol=0.05, err_msg=name)


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("generate", overrides=list(overrides))


def test_the_command_makes_what_its_configuration_says(tmp_path):
    cfg = composed(
        f"data.source.folder={tmp_path}",
        "data.source.pileup=0",
        "data.source.n_events={train: 3, val: 0, test: 0}",
        "n_processes=1",
    )
    run(cfg)
    assert len(read_parquet(tmp_path / "train-000.parquet")) == 3


def test_the_command_refuses_data_that_are_not_generated():
    with pytest.raises(ConfigError, match="choose data=pythia8"):
        run(composed("data=delphes"))


def test_an_interrupted_command_says_how_to_go_on(monkeypatch):
    def interrupt(**settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpf.generate.generate", interrupt)
    with pytest.raises(SystemExit, match="the same command makes the missing files"):
        run(composed())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/folder"):
        run(composed(f"data.source.folder={tmp_path}/file/folder"))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "train-000.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"train-000\.parquet"):
        run(composed(f"data.source.folder={tmp_path}"))


def test_a_wrong_value_is_one_clear_line_and_a_failure(tmp_path):
    command = [sys.executable, "-m", "mlpf.generate", "data.source.pileup=30"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "data.source.pileup must be one of [0, 20, 50, 200], got 30" in result.stderr
    assert "Traceback" not in result.stderr


def test_both_processes_are_known():
    assert set(PROCESSES) == {"ttbar", "qcd"}
