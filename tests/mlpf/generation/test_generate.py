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


def test_events_are_still_those_of_the_first_schema(generated):
    """Numbers from before files held generator information: the same seed, the same events."""
    for name, sizes, sums in (
        ("train-000", [659, 556], [51060.121, 25132.256, 27696.826]),
        ("val-000", [893, 584], [65237.143, 31271.063, 34751.688]),
    ):
        events = read_events(generated / f"{name}.parquet")
        assert events.sizes.tolist() == sizes
        found = [table.sum(dtype=float) for table in (events.x, events.ygen, events.ycand)]
        np.testing.assert_allclose(found, sums, rtol=1e-6)


def test_the_generator_knows_the_hard_process_and_the_pile_up(generated):
    events = read_events(generated / "train-000.parquet", generator=True)
    known = events.generator
    event = np.repeat(np.arange(2), np.diff(known.offsets))

    def total(values):
        return np.bincount(event, values.astype(float))

    np.testing.assert_allclose(total(known.energy), 14_000, rtol=1e-5)
    for axis, met in ((np.cos, known.met_px), (np.sin, known.met_py)):
        momentum = known.pt * axis(known.phi)
        np.testing.assert_allclose(total(momentum), 0, atol=0.01)
        np.testing.assert_allclose(total(momentum * known.visible), -met, atol=0.01)
    assert set(np.abs(known.pid[~known.visible])) <= {12, 14, 16}
    assert total(known.charge).tolist() == [2, 2]  # those of two protons
    assert np.all((known.n_pileup > 5) & (known.n_pileup < 40))
    track = events.x[:, 0] == ElementType.TRACK
    assert set(known.pileup_share[track]) == {0, 1}
    towers = known.pileup_share[~track]
    assert {0, 1} < set(towers)
    assert 0.5 < towers.mean() < 0.95


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


def test_an_own_process_is_made_and_another_one_is_not_mixed_in(tmp_path, capfd):
    card = tmp_path / "zee.cmnd"
    lines = ["WeakSingleBoson:ffbar2gmZ = on", "WeakZ0:gmZmode = 2"]
    lines += ["23:onMode = off", "23:onIfAny = 11"]
    card.write_text("\n".join([*lines, "PartonLevel:MPI = off", "Main:numberOfEvents = 9"]))
    n_events = {"train": 3, "val": 0, "test": 0}
    settings = SETTINGS | {"process": str(card), "pileup": 0, "n_events": n_events}
    folder = tmp_path / "events"
    PythiaSource(folder=folder, **settings).prepare(n_processes=1)
    known = read_events(*folder.glob("*.parquet"), generator=True).generator
    electrons = (np.abs(known.pid) == 11) & (known.pt > 10)
    assert np.count_nonzero(electrons) >= 5
    made = read_provenance(folder / "train-000.parquet")
    assert made["settings"][-5:] == [*lines, "PartonLevel:MPI = off"]
    assert "left out, decided here: Main:numberOfEvents = 9" in capfd.readouterr().err
    card.write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=r"train-000\.parquet was made with process=zee-\w{8}, not"
    ):
        PythiaSource(folder=folder, **settings).prepare()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("HiggsSM:nonsense = on", "process .*: Pythia does not know 'HiggsSM:nonsense = on'"),
        ("HadronLevel:all = on", "process .*: Pythia can't start"),
    ],
)
def test_a_process_that_pythia_refuses_is_one_line(tmp_path, line, message):
    (tmp_path / "a.cmnd").write_text(line)
    changes = {"process": str(tmp_path / "a.cmnd"), "pileup": 0}
    with pytest.raises(ValueError, match=message):
        PythiaSource(folder=tmp_path / "events", **SETTINGS | changes).prepare()


def test_a_gun_shoots_what_it_is_told_and_unstable_particles_decay(tmp_path, generated):
    gun = {"pid": [111, 211, 15], "number": 4, "pt": [5, 50], "eta": [-1, 1]}
    n_events = {"train": 20, "val": 0, "test": 0}
    (tmp_path / "pythia").symlink_to(generated / "pythia")
    settings = SETTINGS | {"process": "gun", "gun": gun, "n_events": n_events, "pileup": 1.5}
    PythiaSource(folder=tmp_path, **settings).prepare(n_processes=1)
    paths = sorted(tmp_path.glob("*.parquet"))
    known = read_events(*paths, generator=True).generator
    assert {22, 211, 16} <= set(np.abs(known.pid))
    assert not {111, 15} & set(np.abs(known.pid))
    energies = np.add.reduceat(known.energy, known.offsets[:-1])
    assert np.all((energies > 20) & (energies < 4 * 60 * np.cosh(1)))
    assert 0.5 < known.n_pileup.mean() < 2.5
    assert read_provenance(paths[0])["gun"]["pt"] == [5, 50]
    with pytest.raises(ValueError, match="was made with gun="):
        PythiaSource(folder=tmp_path, **settings | {"gun": gun | {"number": 5}}).prepare()


@pytest.mark.parametrize(
    ("gun", "message"),
    [
        (
            {"pid": [21], "pt": [1, 2]},
            r"gun\.pid has 21, which is no code of a particle that flies",
        ),
        ({"pid": [99999], "pt": [1, 2]}, r"gun\.pid has 99999"),
        (
            {"pid": [2212], "energy": [0.5, 2]},
            r"gun\.energy begins below the mass of 2212, 0\.938",
        ),
    ],
)
def test_what_a_gun_cannot_shoot_is_named(tmp_path, gun, message):
    with pytest.raises(ValueError, match=message):
        PythiaSource(folder=tmp_path, **SETTINGS | {"process": "gun", "gun": gun}).prepare()
