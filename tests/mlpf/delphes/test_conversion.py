from __future__ import annotations

import bz2
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from commons.files import sha256
from commons.locks import FileLock
from mlpf.data.events import Events, concatenate
from mlpf.data.files import read_events, read_provenance
from mlpf.delphes import branches, conversion, sources
from mlpf.delphes.conversion import convert_files
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.published import correct, read_published
from mlpf.delphes.root import open_root

SIZES = {"a": [3, 5, 0, 2], "b": [4]}


def write_source(path: Path, sizes: list[int], **more: object) -> None:
    rng = np.random.default_rng(len(sizes))
    value = {
        key: [rng.random((n, w)) for n in sizes]
        for key, w in (("X", 12), ("ygen", 7), ("ycand", 7))
    }
    for key, arrays in value.items():
        for array in arrays:
            array[:, 0] = 2 if key == "X" else 1
            array[:, 9:12] = 0  # charge, is muon, is electron
            for column in [3, 7] if key == "X" else [4]:
                array[:, column : column + 2] = 0, 1  # sine and cosine
            if key != "X":
                array[:, 1] = 0
    path.write_bytes(bz2.compress(pickle.dumps(value | more)))


def read_root(path: Path) -> Events:
    return concatenate(list(open_root(path)[1]))


@pytest.fixture
def src(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    for name, sizes in SIZES.items():
        write_source(folder / f"{name}.pkl.bz2", sizes)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same_as_source(src: Path, dst: Path, stem: str) -> None:
    events, expected = (
        read_events(dst / f"{stem}.parquet"),
        correct(read_published(src / f"{stem}.pkl.bz2")),
    )
    for name in ("x", "ygen", "ycand", "offsets"):
        np.testing.assert_array_equal(getattr(events, name), getattr(expected, name))


@pytest.mark.parametrize("n_processes", [1, 2])
def test_each_source_becomes_a_file_with_its_origin_in_the_metadata(src, tmp_path, n_processes):
    dst = tmp_path / "deep" / "dst"
    assert convert_files(src, dst, n_processes=n_processes) == []
    assert names(dst) == ["a.parquet", "b.parquet"]
    assert names(dst.parent) == ["dst"]
    for stem in SIZES:
        assert_same_as_source(src, dst, stem)
    origin = read_provenance(dst / "a.parquet")
    assert origin["source_file"] == "a.pkl.bz2"
    assert origin["source_sha256"] == sha256(src / "a.pkl.bz2")
    assert origin["corrections"] == ["track_charge", "candidate_energy", "candidate_pt"]
    assert "k0s_and_lambda_counted_in_two_towers" in origin["not_corrected"]


def test_a_source_is_split_into_files_of_some_events(src, tmp_path):
    convert_files(src, tmp_path / "dst", events_per_file=3, n_processes=1)
    assert names(tmp_path / "dst") == ["a.000.parquet", "a.001.parquet", "b.000.parquet"]
    assert read_events(tmp_path / "dst/a.000.parquet").sizes.tolist() == [3, 5, 0]
    assert read_events(tmp_path / "dst/a.001.parquet").sizes.tolist() == [2]


@pytest.fixture
def read_files(monkeypatch) -> list[str]:
    """Names of the source files that are read, as they are."""
    seen = []

    def read(path):
        seen.append(path.name)
        return read_published(path)

    monkeypatch.setattr(sources, "read_published", read)
    return seen


def test_results_that_are_there_are_kept_unless_overwrite(src, tmp_path, read_files):
    dst = tmp_path / "dst"
    for more, expected in (({}, ["a", "b"]), ({}, []), ({"overwrite": True}, ["a", "b"])):
        read_files.clear()
        convert_files(src, dst, n_processes=1, **more)
        assert read_files == [f"{stem}.pkl.bz2" for stem in expected]
    write_source(src / "c.pkl.bz2", [1])
    read_files.clear()
    convert_files(src, dst, n_processes=1)
    assert read_files == ["c.pkl.bz2"]


def test_a_conversion_that_was_killed_goes_on(src, tmp_path, monkeypatch, read_files):
    dst = tmp_path / "dst"

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_publish", killed)
        with pytest.raises(KeyboardInterrupt):
            convert_files(src, dst, n_processes=1)
    assert not dst.exists()
    read_files.clear()
    convert_files(src, dst, n_processes=1)
    assert read_files == []
    assert names(dst) == ["a.parquet", "b.parquet"]


def test_other_settings_or_content_need_overwrite_and_then_leave_nothing_old(src, tmp_path):
    dst = tmp_path / "dst"
    convert_files(src, dst, n_processes=1)
    with pytest.raises(
        ValueError, match=r"results of a\.pkl\.bz2 made .* other settings; overwrite=true"
    ):
        convert_files(src, dst, events_per_file=2, n_processes=1)
    assert names(dst) == ["a.parquet", "b.parquet"]
    convert_files(src, dst, events_per_file=2, overwrite=True, n_processes=1)
    assert names(dst) == ["a.000.parquet", "a.001.parquet", "b.000.parquet"]
    write_source(src / "b.pkl.bz2", [7, 7])
    with pytest.raises(ValueError, match=r"results of b\.pkl\.bz2 made from other content"):
        convert_files(src, dst, events_per_file=2, n_processes=1)


@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_damaged_file_is_left_out_and_named_and_the_others_are_converted(
    src, tmp_path, n_processes
):
    write_source(src / "bad.pkl.bz2", [2], X=[np.zeros((2, 11))])
    (src / "cut.pkl.bz2").write_bytes((src / "a.pkl.bz2").read_bytes()[:100])
    problems = convert_files(src, tmp_path / "dst", n_processes=n_processes)
    assert len(problems) == 2
    assert problems[0].startswith(f"{src}/bad.pkl.bz2: event 0: X has shape (2, 11)")
    assert problems[1].startswith(f"{src}/cut.pkl.bz2: truncated")
    assert names(tmp_path / "dst") == ["a.parquet", "b.parquet"]


class Attack:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


@pytest.mark.parametrize("n_processes", [1, 2])
def test_one_malicious_file_stops_all_and_nothing_is_written(src, tmp_path, n_processes):
    write_source(src / "z.pkl.bz2", [2], extra=Attack(tmp_path / "made"))
    with pytest.raises(ValueError, match=rf"refused: posix\.system in {src}/z\.pkl\.bz2"):
        convert_files(src, tmp_path / "dst", n_processes=n_processes)
    assert names(tmp_path) == ["src"]
    (src / "z.pkl.bz2").unlink()
    convert_files(src, tmp_path / "dst", n_processes=1)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "dst").iterdir()}
    write_source(src / "z.pkl.bz2", [2], extra=Attack(tmp_path / "made"))
    with pytest.raises(ValueError, match="refused"):
        convert_files(src, tmp_path / "dst", overwrite=True, n_processes=n_processes)
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "dst").iterdir()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events_per_file": 0}, "events_per_file must be >= 1 or null, got 0"),
        ({"n_processes": -1}, "n_processes must be >= 1 or null, got -1"),
    ],
)
def test_impossible_options_are_refused(src, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        convert_files(src, tmp_path / "dst", **options)


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_files_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=rf"src={tmp_path}/{name}: no \*\.pkl\.bz2 or \*\.root files there"
    ):
        convert_files(tmp_path / name, tmp_path / "dst")


@pytest.mark.parametrize("split", [None, 1])
def test_sources_whose_results_have_similar_names_lose_no_event(tmp_path, split):
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.mkdir()
    for name, sizes in {"a": [1, 2], "a.000": [3, 4, 5], "a.000.000": [6]}.items():
        write_source(src / f"{name}.pkl.bz2", sizes)
    for _ in range(2):
        assert convert_files(src, dst, events_per_file=split, n_processes=1) == []
        sizes = [n for path in dst.iterdir() for n in read_events(path).sizes.tolist()]
        assert sorted(sizes) == [1, 2, 3, 4, 5, 6]
    other = None if split else 1
    convert_files(src, dst, events_per_file=other, overwrite=True, n_processes=1)
    sizes = [n for path in dst.iterdir() for n in read_events(path).sizes.tolist()]
    assert sorted(sizes) == [1, 2, 3, 4, 5, 6]


def test_a_result_of_a_source_that_is_elsewhere_is_not_replaced(src, tmp_path):
    dst = tmp_path / "dst"
    convert_files(src, dst, events_per_file=1, n_processes=1)
    other = tmp_path / "other"
    other.mkdir()
    write_source(other / "a.000.pkl.bz2", [3])
    with pytest.raises(ValueError, match=r"a\.000\.parquet was made from a\.pkl\.bz2, not"):
        convert_files(other, dst, overwrite=True, n_processes=1)
    assert read_events(dst / "a.000.parquet").sizes.tolist() == [3]


def test_what_is_no_readable_file_is_named_and_the_others_are_converted(src, tmp_path):
    (src / "folder.pkl.bz2").mkdir()
    (src / "link.pkl.bz2").symlink_to("nowhere")
    os.mkfifo(src / "pipe.pkl.bz2")
    (src / "void.pkl.bz2").touch()
    problems = convert_files(src, tmp_path / "dst", n_processes=1)
    assert [
        line.removeprefix(f"{src}/").partition(".pkl.bz2: ")[::2] for line in problems[:3]
    ] == [
        ("folder", "not a file, but a folder"),
        ("link", "No such file or directory"),
        ("pipe", "not a file, but a pipe or device"),
    ]
    assert problems[3].startswith(f"{src}/void.pkl.bz2: truncated")
    assert names(tmp_path / "dst") == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    ("table", "values"), [("X", {1: 1e300}), ("ygen", {6: -1e39}), ("ycand", {3: 200.0, 6: 0.0})]
)
def test_values_that_float32_cannot_hold_are_damage_of_an_event(src, tmp_path, table, values):
    rng = np.random.default_rng(0)
    events = {
        key: [rng.random((2, w)) for _ in range(2)]
        for key, w in (("X", 12), ("ygen", 7), ("ycand", 7))
    }
    for arrays in events.values():
        for array in arrays:
            array[:, 0] = 1
    for column, value in values.items():
        events[table][1][0, column] = value
    (src / "c.pkl.bz2").write_bytes(bz2.compress(pickle.dumps(events)))
    (problem,) = convert_files(src, tmp_path / "dst", n_processes=1)
    name = {"X": "x"}.get(table, table)
    assert problem == f"{src}/c.pkl.bz2: event 1: {name} has a value beyond float32"


def test_events_that_are_missing_from_the_results_are_noticed(src, tmp_path, monkeypatch):
    write = conversion.write_events
    monkeypatch.setattr(
        conversion, "write_events", lambda events, *rest: write(next(events).take([0]), *rest)
    )
    with pytest.raises(ValueError, match=r"holds 1 of the 4 events of a\.pkl\.bz2; over"):
        convert_files(src, tmp_path / "dst", n_processes=1)


def test_the_lock_of_a_conversion_follows_no_link(src, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    staging = tmp_path / "dst.partial"
    staging.mkdir()
    (staging / ".lock").symlink_to(victim)
    (tmp_path / "dst.partial.lock").symlink_to(victim)
    lock = FileLock(staging, grace_s=0.1)
    lock.acquire()  # takes the place of the link, not of the file behind it
    lock.release()
    convert_files(src, tmp_path / "dst", n_processes=1)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("events_per_file", [None, 8])
def test_delphes_files_become_files_with_all_of_their_events(
    tmp_path, monkeypatch, events_per_file, delphes_file
):
    monkeypatch.setattr(branches, "CHUNK", 7)  # events
    dst = tmp_path / "dst"
    problems = convert_files(
        delphes_file("pu*"), dst, events_per_file=events_per_file, n_processes=1
    )
    assert problems == []
    for name, n_events in (("pu0", 20), ("pu20", 5), ("pu0_skim", 5)):
        paths = sorted(dst.glob(f"{delphes_file(name).stem}.*"))
        assert len(paths) == (1 if events_per_file is None else -(-n_events // events_per_file))
        events = read_events(*paths, generator=True)
        expected = correct(read_root(delphes_file(name)))
        for table in ("x", "ygen", "ycand", "offsets"):
            assert np.array_equal(getattr(events, table), getattr(expected, table))
        assert np.array_equal(events.generator.pileup_share, expected.generator.pileup_share)
        assert np.array_equal(events.generator.energy, expected.generator.energy)
        assert np.array_equal(events.generator.n_pileup, expected.generator.n_pileup)
        origin = read_provenance(paths[-1])
        assert origin["source_file"] == f"tev14_pythia8_ttbar_{name}.root"
        assert origin["source_sha256"] == sha256(delphes_file(name))
        assert (origin["n_events"], origin["n_parts"]) == (n_events, len(paths))


def test_of_a_file_whose_end_is_damaged_no_part_stays(src, tmp_path, monkeypatch):
    def opened(path):
        def portions():
            yield from [correct(read_published(src / "a.pkl.bz2"))] * 2
            raise DamagedFile(f"{path}: event 8: Track.PT is nan")

        return 12, portions()

    monkeypatch.setattr(conversion, "open_source", opened)
    problems = convert_files(src / "a*", tmp_path / "dst", events_per_file=3, n_processes=1)
    assert problems == [f"{src}/a.pkl.bz2: event 8: Track.PT is nan"]
    assert names(tmp_path) == ["src"]


def test_the_progress_is_in_mebibytes_of_the_sources(src, tmp_path, monkeypatch):
    class Bar(list):
        def run(self, function, tasks, *, n_steps, **_):
            self.n_steps = n_steps
            return [function(task) for task in tasks]

    bar = Bar()
    monkeypatch.setattr(conversion, "run_tasks", bar.run)
    monkeypatch.setattr(conversion, "advance", bar.append)
    with (src / "a.pkl.bz2").open("ab") as file:
        file.truncate(5 * 2**20)
    assert convert_files(src, tmp_path / "dst") == []
    assert bar.n_steps == sum(bar) == 6
